#!/usr/bin/env bash
# Versions: transformers 5.23.0, torch 2.13.0 (CPU), tiny random models.
# Behaviour: AutoModelForCausalLM builds and loads XLNet, XLM and CPM-Ant with their default settings, and each predicts a
#   token from those after it. Nothing is logged. BERT in the same class does the same, but logs one line (is_decoder).
#   The flags is_causal=False (Llama) and use_bidirectional_attention=True (Gemma 3), kept in a checkpoint's config, make
#   those families see the future too, as they say, and again no line is logged by the class named "causal".
# Expected: a class of causal models refuses or warns where its logits are not causal.
# Why it matters: next-token losses, perplexities, prefixes of states and information gains of these models are numbers
#   without a meaning, and look plausible. 19 of the 189 types in the mapping are so by default.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY' 2>/dev/null
import logging, sys, warnings
import torch
import transformers as hf

S = dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=66)
MODELS = {
    "xlnet": hf.XLNetConfig(vocab_size=300, d_model=32, n_layer=2, n_head=4, d_inner=64),
    "xlm": hf.XLMConfig(vocab_size=300, emb_dim=32, n_layers=2, n_heads=4, max_position_embeddings=66),
    "cpmant": hf.CpmAntConfig(vocab_size=300, hidden_size=32, num_attention_heads=4, dim_head=8, dim_ff=64, num_hidden_layers=2, prompt_length=4),
    "llama, is_causal": hf.LlamaConfig(**S, is_causal=False),
    "gemma 3, use_bidirectional_attention": hf.Gemma3TextConfig(**S, head_dim=8, num_key_value_heads=2, use_bidirectional_attention=True),
    "bert": hf.BertConfig(**S),
    "llama": hf.LlamaConfig(**S),
}
LOGGED = {"bert"}
class Count(logging.Handler):
    lines = 0
    def emit(self, record): Count.lines += 1
hf.logging.set_verbosity_warning()
hf.logging.add_handler(Count(level=logging.WARNING))
wrong = []
for name, config in MODELS.items():
    torch.manual_seed(0)
    Count.lines = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = hf.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1: weight.normal_(0, 0.15)
        ids = torch.randint(5, 290, (1, 10))
        other = ids.clone(); other[0, -1] = 291
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            one, two = (model(input_ids=i, attention_mask=mask).logits[0, -10:] for i in (ids, other))
    moved = float((one[:-1] - two[:-1]).abs().max())
    said = Count.lines + sum("causal" in str(w.message) or "decoder" in str(w.message) for w in caught)
    print(f"{name}: earlier logits (mean size {float(one.abs().mean()):.2f}) move by {moved:.2g}; warnings {said}")
    if (moved > 1e-3) != (name != "llama") or bool(said) != (name in LOGGED): wrong.append(name)
print(hf.__version__, torch.__version__)
sys.exit(f"changed: {wrong}" if wrong else 0)
PY
echo "as described"
