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
from infogeo.geometry.depths import layer_names, width_at
from infogeo.sources.architecture import auto_class
from infogeo.sources.models import describe
from infogeo.states.attention import attention_problem, attention_rows
from infogeo.states.batches import Rows
from infogeo.states.gaps import check_gaps
from infogeo.states.loading import load_model, untrained_model

LENGTHS = (40, 23, 9)  # of the texts, in tokens: beyond every window
COLUMNS = (
    "type", "class", "verdict", "sees later tokens", "blocks", "norm", "output_hidden_states",
    "attention", "some tokens alone", "batch", "nll", "card", "bfloat16", "twin",
)  # fmt: skip
GOOD = {
    "batch": "as alone",
    "nll": "its own",
    "card": "right",
    "bfloat16": "right",
    "twin": "right",
}


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
        for kind in ("causal", "encoder"):
            try:
                _measure(row, directory, kind, own)
                break
            except Exception as error:
                row["verdict"] = _refusal(error, name)
                if "column `kind`" not in str(error):
                    break
    return row


def _measure(row, directory, kind, own) -> None:
    """Fill what is measured of a model of a kind into the row."""
    name = row["type"]
    card = describe(directory, name, "local", str(directory), "", kind=kind)
    model = load_model(directory, dtype="float32", name=name, kind=kind)
    own = own or _own_model(directory, kind)
    rows = _states(model, texts())
    first = {layer: rows.hidden[layer][: LENGTHS[0]] for layer in rows.hidden}
    row["blocks"] = _name_of(model, model.blocks)
    row["norm"] = _norm(model, first) if model.post_norm else "none"
    row["output_hidden_states"] = _entries(own, first, model)
    row["attention"] = _attention(model, _own_model(directory, kind, attn_implementation="eager"))
    row["some tokens alone"] = _alone(model)
    row["batch"] = _batch(model, rows)
    if kind == "causal":
        row["nll"] = _likelihood(own, rows.nll[1 : LENGTHS[0]])
    row["card"] = _card(model, card)
    row["bfloat16"], row["twin"] = _in_bfloat16(directory, name, kind)
    row["verdict"] = "measured" if kind == "causal" else "measured as encoder"


def _in_bfloat16(directory, name, kind) -> list[str]:
    """The columns on states in bfloat16, and on an untrained twin in it."""
    answers = []
    for measure in (_half, _twin):
        try:
            answers.append(measure(directory, name, kind))
        except Exception as error:
            answers.append(_refusal(error, name))
    return answers


def _refusal(error, name) -> str:
    """What an error is to a user: a message of ours, or a traceback."""
    if isinstance(error, InfogeoError):
        return f"refused: {_reason(str(error), name)}"
    traceback.print_exception(error)
    return f"fault: {_place(error)}"


def _own_model(directory, kind="causal", dtype=torch.float32, **options):
    """The model as transformers loads it; None where it cannot."""
    try:
        config = transformers.AutoConfig.from_pretrained(str(directory))
        return (
            auto_class(config, kind)
            .from_pretrained(str(directory), dtype=dtype, local_files_only=True, **options)
            .eval()
        )
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
    return GOOD["batch"] if apart < 1e-3 else f"off by {apart:.1g}"


def _likelihood(own, nll, tolerance=1e-4) -> str:
    text = texts()[0]
    target = torch.from_numpy(text[1:]).long()
    loss = torch.nn.functional.cross_entropy(_pass(own, text).logits[0, :-1].float(), target).item()
    mean = float(np.mean(nll))
    near = math.isclose(mean, loss, rel_tol=tolerance)
    return GOOD["nll"] if near else f"{mean:.3f} for {loss:.3f}"


def _card(model, card) -> str:
    """Whether model.json has the parameters, layers and widths of the model that was loaded."""
    # Of an encoder what states depend on is counted: neither head nor pooler.
    part, left_out = (model.model, "-") if model.causal else (model.base, "pooler.")
    loaded = sum(w.numel() for name, w in part.named_parameters() if left_out not in name)
    counted = card["params_total"] + card["params_padding"]
    if loaded not in (counted, counted + card["params_other"]):
        return f"{counted:,} parameters for {loaded:,}"
    widths = {layer: width_at(layer, card) for layer in layer_names(card["layers"])}
    return GOOD["card"] if widths == model.widths else "widths of other layers"


def _half(directory, name, kind) -> str:
    """Whether states in bfloat16 are finite, and NLL is that of transformers' own model."""
    rows = _states(load_model(directory, dtype="bfloat16", name=name, kind=kind), texts()[:1])
    if not all(torch.isfinite(hidden.float()).all() for hidden in rows.hidden.values()):
        return "states are not finite"
    if kind == "encoder":
        return GOOD["bfloat16"]
    answer = _likelihood(_own_model(directory, kind, torch.bfloat16), rows.nll[1:], tolerance=1e-2)
    return GOOD["bfloat16"] if answer == GOOD["nll"] else answer


def _twin(directory, name, kind) -> str:
    """Whether a twin's tensors have the dtypes of the loaded model's."""
    one, other = (
        {key: value.dtype for key, value in model.model.state_dict(keep_vars=True).items()}
        | {key: value.dtype for key, value in model.model.named_buffers()}
        for model in (
            untrained_model(directory, dtype="bfloat16", name=name, seed=0, kind=kind),
            load_model(directory, dtype="bfloat16", name=name, kind=kind),
        )
    )
    apart = [key for key in other if one.get(key) != other[key]]
    return f"other dtype: {apart[0]}" if apart else GOOD["twin"]


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
    errors = {name: row[name] not in ("", good) for name, good in GOOD.items()} | {
        "taken as causal": row["verdict"] == "measured" and row["sees later tokens"] == "yes",
        "states that transformers does not know": "?" in row["output_hidden_states"],
        "attention": row["attention"] == "not transformers' own",
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
