#!/usr/bin/env bash
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), a tiny random decoder with local and LSH layers.
# Behaviour: in eval mode and without dropout two passes over the same tokens give other logits, since the rotations of
#   LSH attention are drawn anew in each pass. With config.hash_seed the passes agree, and another last token moves the
#   logits of the tokens before it, though the model is a decoder: who shares a bucket depends on the whole text.
# Expected: eval mode repeats; a decoder's logits do not depend on later tokens.
# Why it matters: a dump of its states cannot be resumed or checked, and its likelihoods are not those of a causal model.
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
def build(**more):
    config = hf.ReformerConfig(vocab_size=300, hidden_size=32, num_attention_heads=4, attention_head_size=8, feed_forward_size=64,
        attn_layers=["local", "lsh"], num_hashes=2, num_buckets=4, lsh_attn_chunk_length=8, local_attn_chunk_length=8,
        axial_pos_embds=False, max_position_embeddings=64, is_decoder=True, **more)
    torch.manual_seed(0)
    model = hf.ReformerModelWithLMHead(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1: weight.normal_(0, 0.15)
    return model
ids = torch.randint(5, 290, (1, 40)); other = ids.clone(); other[0, -1] = 291
mask = torch.ones_like(ids)
def logits(model, tokens):
    with torch.inference_mode(): return model(input_ids=tokens, attention_mask=mask).logits[0]
model = build()
one, two = logits(model, ids), logits(model, ids)
repeat = float((one - two).abs().max())
model = build(hash_seed=7)
same = float((logits(model, ids) - logits(model, ids)).abs().max())
later = float((logits(model, ids)[:-1] - logits(model, other)[:-1]).abs().max())
print(f"two passes in eval mode over the same 40 tokens: logits of mean size {float(one.abs().mean()):.2f} differ by up to {repeat:.2g}")
print(f"with hash_seed: by {same:.2g}; another last token moves earlier logits by up to {later:.2g}")
print(hf.__version__, torch.__version__)
sys.exit("changed" if not (repeat > 0.1 and same == 0 and later > 0.01) else 0)
PY
echo "as described"
