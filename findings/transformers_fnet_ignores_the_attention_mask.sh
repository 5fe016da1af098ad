#!/usr/bin/env bash
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), tiny random models.
# Behaviour: FNetModel takes attention_mask=... without an error, and nothing uses it: forward() does not name it, and
#   its Fourier transform mixes padding into every token. BERT, with the same call, gives the states of the text alone.
# Expected: an error for an argument that has no effect, or a warning that texts cannot be padded.
# Why it matters: embeddings from padded batches depend on the longest text of the batch; here states move by their
#   whole norm with six tokens of padding behind ten.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
import sys
import torch
import transformers as hf
torch.manual_seed(0)
config = hf.FNetConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, intermediate_size=64, max_position_embeddings=66)
fnet = hf.FNetModel(config).eval()
bert = hf.BertModel(hf.BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=66)).eval()
ids = torch.randint(5, 290, (1, 10)); padded = torch.cat([ids, torch.zeros(1, 6, dtype=torch.int64)], 1)
import inspect
takes = "attention_mask" in inspect.signature(hf.FNetModel.forward).parameters
moves = {}
for name, model in (("FNet", fnet), ("BERT", bert)):
    with torch.inference_mode():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        mask = (torch.arange(16) < 10).long()[None]
        batch = model(input_ids=padded, attention_mask=mask).last_hidden_state[0, :10]
    moves[name] = float((alone - batch).norm() / alone.norm())
    print(f"{name}: states of 10 tokens move by {moves[name]:.2g} of their norm with 6 tokens of padding behind them, mask given")
print("FNetModel.forward names attention_mask:", takes)
print(hf.__version__, torch.__version__)
sys.exit("changed" if not (moves["FNet"] > 0.1 and moves["BERT"] < 1e-5) else 0)
PY
echo "as described"
