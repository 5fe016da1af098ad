#!/usr/bin/env bash
# Versions: transformers 5.23.0, torch 2.13.0 (CPU, meta device: no weights are made).
# Behaviour: the default configuration of a model type, Config(), is meant to describe a model of that type. For ten
#   types of the causal mapping AutoModelForCausalLM.from_config(Config()) raises. Six leave at None what their own
#   layers compute with: head_dim (HunYuan V1 dense and MoE, Ministral), num_key_value_heads (Nemotron), the number of
#   routed experts (dots1), layer_types (LFM2-MoE). Cohere Compass text has no rotary parameters for its own kind of
#   layer; DBRX's attention configuration lacks the rope_theta that its rotary embedding reads; the two composite
#   configurations of MusicGen go whole to a decoder that reads fields of the sub-configuration.
# Expected: each builds, as the other types' defaults do (Llama is built here beside them).
# Why it matters: tiny test models are made by shrinking defaults, and memory is planned by building on the meta
#   device; both fail for these types with errors deep in a layer, which look like a damaged checkpoint.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
import sys
import torch
import transformers as hf

SEEN = {
    "cohere_compass_text": "KeyError",
    "dbrx": "AttributeError",
    "dots1": "TypeError",
    "hunyuan_v1_dense": "TypeError",
    "hunyuan_v1_moe": "TypeError",
    "lfm2_moe": "TypeError",
    "ministral": "TypeError",
    "musicgen": "AttributeError",
    "musicgen_melody": "AttributeError",
    "nemotron": "TypeError",
    "llama": "built",
}
results = {}
for kind in SEEN:
    try:
        with torch.device("meta"):
            hf.AutoModelForCausalLM.from_config(hf.CONFIG_MAPPING[kind]())
        results[kind] = "built"
    except Exception as error:
        results[kind] = type(error).__name__
        print(f"{kind}: {type(error).__name__}: {str(error)[:90]}")
print(hf.__version__, torch.__version__)
sys.exit(f"changed: {results}" if results != SEEN else 0)
PY
echo "as described"
