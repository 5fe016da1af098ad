#!/usr/bin/env bash
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), tiny random decoders.
# Behaviour: RoBERTa, XLM-R, XLM-R-XL, CamemBERT, Data2VecText and RoBERTa-PreLayerNorm number their tokens from
#   pad_token_id + 1 (2, 3, 4, ... with the usual padding id 1). They accept position_ids that count from 0, as all other
#   families do, and then give other numbers without a warning. BERT gives the same loss for both.
# Expected: position_ids=arange(n) is what a model uses when none are given, or is refused.
# Why it matters: who passes explicit positions to keep batches and gapped runs right moves every state and the loss
#   (here by 0.03 to 0.12 nats a token) for these six types alone. A context of 514 in their files holds 512 tokens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
import sys
import torch
import transformers as hf
S = dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=66, pad_token_id=1, is_decoder=True)
wrong = []
for name in ("Roberta", "XLMRoberta", "XLMRobertaXL", "Camembert", "Data2VecText", "RobertaPreLayerNorm", "Bert"):
    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(getattr(hf, name + "Config")(**S)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1: weight.normal_(0, 0.15)
    ids = torch.randint(5, 290, (1, 20)); mask = torch.ones_like(ids)
    with torch.inference_mode():
        own = model(input_ids=ids, attention_mask=mask, labels=ids).loss
        zero = model(input_ids=ids, attention_mask=mask, position_ids=torch.arange(20)[None], labels=ids).loss
        two = model(input_ids=ids, attention_mask=mask, position_ids=torch.arange(20)[None] + 2, labels=ids).loss
    print(f"{name}: loss {own:.3f} without position ids, {zero:.3f} with 0, 1, 2, ..., {two:.3f} with 2, 3, 4, ...")
    odd = name != "Bert"
    if (abs(own - zero) > 1e-3) != odd or (abs(own - two) > 1e-5) == odd: wrong.append(name)
print(hf.__version__, torch.__version__)
sys.exit(f"changed: {wrong}" if wrong else 0)
PY
echo "as described"
