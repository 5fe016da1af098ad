"""What this project makes of a tiny model of each type in transformers' causal mapping.

`examine` measures a type in two ways: by transformers' own model alone, and by `load_model` and
what is built on it. A row says where the two agree, in words that no rounding changes.
"""

import math
import re
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers
from tiny_types import NAMES, save_type

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.states.attention import attention_problem, attention_rows
from infogeo.states.batches import Rows
from infogeo.states.gaps import check_gaps
from infogeo.states.loading import load_model

LENGTHS = (40, 23, 9)  # of the texts, in tokens: beyond every window
COLUMNS = (
    "type", "class", "verdict", "sees later tokens", "blocks", "norm", "output_hidden_states",
    "attention", "some tokens alone", "batch", "nll",
)  # fmt: skip


def texts() -> list[np.ndarray]:
    """Three texts of random tokens, none of them special. Each (n_i,) int32."""
    rng = np.random.default_rng(0)
    return [rng.integers(5, 290, length, dtype=np.int32) for length in LENGTHS]


def examine(name: str) -> dict[str, str]:
    """A row of the census: what `COLUMNS` name, '' where there is nothing to say."""
    row = dict.fromkeys(COLUMNS, "") | {"type": name}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        save_type(name, directory)
        own = _own_model(directory)
        if own is not None:
            row["class"] = type(own).__name__
            row["sees later tokens"] = "yes" if sees_later_tokens(own) else "no"
        try:
            model = load_model(directory, dtype="float32", name=name)
            row["verdict"] = "measured"
            _measure(row, model, own, _own_model(directory, attn_implementation="eager"))
        except InfogeoError as error:
            row["verdict"] = f"refused: {_reason(str(error), name)}"
        except Exception as error:
            traceback.print_exc()
            row["verdict"] = f"fault: {_place(error)}"
    return row


def _own_model(directory, **options):
    """The model as transformers loads it; None where it cannot."""
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            str(directory), dtype=torch.float32, local_files_only=True, **options
        ).eval()
    except Exception:  # transformers raises many kinds
        return None


def _pass(own, text, **options):
    ids = torch.from_numpy(text[None]).long()
    with torch.inference_mode():
        return own(
            input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, return_dict=True,
            **options,
        )  # fmt: skip


def sees_later_tokens(own) -> bool:
    """Whether predictions move with a token that comes after them."""
    text = texts()[0]
    other = text.copy()
    other[-1] = text[-1] + 1
    one, two = (_pass(own, tokens).logits[0, :-1] for tokens in (text, other))
    return not torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(one.abs().mean()))


def _measure(row, model, own, eager) -> None:
    """Fill what is measured into the row."""
    rows = _states(model, texts())
    first = {layer: rows.hidden[layer][: LENGTHS[0]] for layer in rows.hidden}
    row["blocks"] = _name_of(model, model.blocks)
    row["norm"] = _norm(model, first) if model.post_norm else "none"
    row["output_hidden_states"] = _entries(own, first, model)
    row["attention"] = _attention(model, eager)
    row["some tokens alone"] = _alone(model)
    row["batch"] = _batch(model, rows)
    row["nll"] = _likelihood(own, rows.nll[1 : LENGTHS[0]])


def _states(model, some) -> Rows:
    names = [str(place) for place in range(len(some))]
    rows = Rows(model, layer_names(model.depth), [len(text) for text in some], names)
    rows.run(some, batch_tokens=10**6)
    return rows


def _name_of(model, module) -> str:
    names = (name for name, other in model.model.named_modules() if other is module)
    return next(names, "")


def _norm(model, first) -> str:
    """The module that makes the final states of those after the last block."""
    names = []

    def hook_of(name):
        def hook(module, args, output):
            given = args[0] if args else None
            if all(torch.is_tensor(value) and value.dim() == 3 for value in (given, output)) and (
                _same(given[0], first[str(model.depth)]) and _same(output[0], first["final"])
            ):
                names.append(name)

        return hook

    hooks = [
        module.register_forward_hook(hook_of(name)) for name, module in model.model.named_modules()
    ]
    try:
        _pass(model.model, texts()[0])
    finally:
        for hook in hooks:
            hook.remove()
    return names[0] if names else "not one module"


def _same(one, other) -> bool:
    return one.shape == other.shape and torch.allclose(
        one.float(), other.float(), rtol=1e-3, atol=1e-4 * float(other.float().abs().mean())
    )


def _entries(own, first, model) -> str:
    """Which of our layers the entries of transformers' `hidden_states` are."""
    entries = getattr(_pass(own, texts()[0], output_hidden_states=True), "hidden_states", None)
    if entries is None:
        return "none"
    layers = [
        next(
            (layer for layer in first if _same(entry.reshape(-1, entry.shape[-1]), first[layer])),
            "?",
        )
        for entry in entries
    ]
    layers = ["L" if layer == str(model.depth) else layer for layer in layers]
    inner = [str(layer) for layer in range(model.depth)]
    usual = {
        (*inner, "final"): "0 … L−1, final", (*inner, "L"): "0 … L",
        (*inner, "L", "final"): "0 … L, final", (*inner[1:], "L", "final"): "1 … L, final",
        (*inner[1:], "L"): "1 … L",
    }  # fmt: skip
    return usual.get(tuple(layers), ", ".join(layers))


def _attention(model, eager) -> str:
    if problem := attention_problem(model):
        return "none" if "no attention weights" in problem else "rows do not sum to 1"
    attentions = _pass(eager, texts()[0], output_attentions=True).attentions
    if not attentions:
        return "yes, not compared"
    expected = attentions[-1][0, :, -1]
    row, _ = attention_rows(model, texts()[0])
    expected = expected / expected.sum(dim=-1, keepdim=True)
    return "yes" if np.allclose(row, expected, rtol=1e-3, atol=1e-4) else "not transformers' own"


def _alone(model) -> str:
    _, problem = check_gaps(model, texts()[0], seed=0)
    reason = problem.removeprefix(type(model.model).__name__).lstrip(": ")
    reason = re.split(r"[:,(]| differ by", reason)[0].strip()
    return f"no: {reason}" if reason else "yes"


def _batch(model, rows) -> str:
    """How far the states of texts in a padded batch are from those of each alone."""
    apart = 0.0
    for place, text in enumerate(texts()):
        alone, span = _states(model, [text]), slice(*rows.offsets[place : place + 2])
        for layer, hidden in alone.hidden.items():
            rest = (rows.hidden[layer][span].float() - hidden.float()).norm(dim=-1)
            apart = max(apart, float((rest / hidden.float().norm(dim=-1)).max()))
    return "as alone" if apart < 1e-3 else f"off by {apart:.1g}"


def _likelihood(own, nll) -> str:
    text = texts()[0]
    target = torch.from_numpy(text[1:]).long()
    loss = torch.nn.functional.cross_entropy(_pass(own, text).logits[0, :-1].float(), target).item()
    mean = float(np.mean(nll))
    return "its own" if math.isclose(mean, loss, rel_tol=1e-4) else f"{mean:.3f} for {loss:.3f}"


def _reason(message: str, name: str) -> str:
    """The first sentence of a message, without the names of this model and of its directory."""
    message = message.replace(f"model {name!r}: ", "")
    message = re.sub(r"/\S+?: ", "", message).replace("\n", " ")
    return re.split(r"(?<=[^.])\.(?= |$)", message)[0].strip()[:200]


def _place(error) -> str:
    """Kind of an error, where it came from, and what it says, in short."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    says = str(error).split("\n")[0][:80]
    return f"{type(error).__name__} in {Path(frame.filename).name}: {says}"


def silent_errors(row) -> list[str]:
    """What is wrong in a row of a model that is measured without a word."""
    if not row["verdict"].startswith("measured"):
        return []
    errors = {
        "taken as causal": row["verdict"] == "measured" and row["sees later tokens"] == "yes",
        "states that transformers does not know": "?" in row["output_hidden_states"],
        "attention": row["attention"] == "not transformers' own",
        "batch": row["batch"] not in ("", "as alone"),
        "nll": row["nll"] not in ("", "its own"),
    }
    return [what for what, holds in errors.items() if holds]


def check_names(names) -> list[str]:
    """The types and variants that are asked for, or all."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"transformers {transformers.__version__} has no {', '.join(unknown)}")
    return list(names) or NAMES


def quiet() -> None:
    """One thread, no warnings: what matters is in the row."""
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
