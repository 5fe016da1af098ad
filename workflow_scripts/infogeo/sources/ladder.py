"""A ladder: small GPT-NeoX models of many widths and depths, trained here on the same tokens.

`ladder_data.prepare` makes what all of them share. The seed of a model changes its initial weights
and nothing else.
"""

import contextlib
import math
import shutil
import time
from pathlib import Path

import numpy as np

from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import narrow_imports
from infogeo.sources.ladder_checkpoints import NAME, Snapshots
from infogeo.sources.ladder_data import read_prepared

# Embeddings learn at the same rate at every width, all other weights at a rate ∝ 1/width (Yang et
# al. 2022, arXiv 2203.03466). With one rate for all ∝ 1/√width, deeper models came out worse than
# shallower ones at width 128; at this width the two rates are equal.
EQUAL_RATES_WIDTH = 16
WARMUP_SHARE = 0.1  # of the steps
MAX_GRADIENT_NORM = 1.0
CURVE_STEPS = 20  # steps per row of the training curve
CHECKPOINT_SECONDS = 20.0  # a kill loses at most this much


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear from 0 to `peak` over the first `WARMUP_SHARE` of the steps, then linear to 0."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return peak * min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))


def train(
    prepared,
    folder,
    scratch,
    width,
    depth,
    seed,
    batch,
    tokens,
    peak,
    beta2,
    init_std,
    head_width,
    fingerprint,
    checkpoints=(),
    expected=None,
    threads=1,
) -> dict:
    """Train one member of a ladder and save it as a Hugging Face directory.

    GPT-NeoX as in Pythia (rotary positions on a quarter of each head, attention and MLP in
    parallel), input and output embeddings tied, no dropout. AdamW in float32, linear warm-up and
    decay, gradients clipped at norm 1. Weights start normal with `init_std`, biases zero.

    A checkpoint in `scratch`, under the fingerprint, is resumed. On the CPU the weights are then
    the same bit for bit as without the interruption, for an equal number of threads.

    Parameters
    ----------
    prepared : path
        The folder that `ladder_data.prepare` filled.
    folder : path
        Gets `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and
        `training.csv` (step, tokens, learning_rate, loss: mean training loss in nats per token
        since the row before, heldout_nll: nats per token of the held-out block, at the end), and
        `checkpoints.safetensors`, the weights at each of `checkpoints`, as {step}/{name}.
    scratch : path
        Folder for the checkpoint and the weights to keep, which are removed at the end.
    width, depth, seed : int
        Of the member; the seed is that of the initial weights.
    batch : int
        Sequences per step.
    tokens : int
        Tokens to train on in all, rounded down to whole steps; a shorter stream is repeated.
    peak : float
        Peak learning rate of the embeddings; that of the other weights is 16/width of it.
    beta2 : float
        Of AdamW; β₁ is 0.9 and the weight decay 0.01.
    init_std : float
    head_width : int
        Width of an attention head; it must divide `width`.
    fingerprint : str
        Names the checkpoint.
    checkpoints : list of int
        Steps whose weights are kept; 0: the initial ones.
    expected : str, optional
        Fingerprint that `prepared` must have.
    threads : int
        Threads of PyTorch; more than one changes the last bits.

    Returns
    -------
    dict
        `tokens` trained on; `heldout_nll`, nats per token.

    Raises
    ------
    InfogeoError
        Where head_width does not divide the width, the stream is shorter than a batch, or the
        loss is not finite.
    """
    import torch

    prepared, folder = Path(prepared), Path(folder)
    shared = read_prepared(prepared, expected)
    context = shared["context"]
    stream = np.load(prepared / "train.npy")
    per_step = batch * context
    in_stream = (len(stream) - 1) // per_step  # steps until the stream repeats
    _check(stream, in_stream, batch, context, width, head_width)
    steps = max(1, tokens // per_step)

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = new_model(width, depth, seed, shared["vocabulary"], context, head_width, init_std)
    model.to(device)
    optimizer = _optimizer(model, width, peak, beta2)
    waiting = Path(scratch) / fingerprint  # of its own: one that others use could vanish under them
    checkpoint = waiting / "training.pt"
    losses = torch.zeros((), device=device)  # read only now and then: reading waits for a GPU
    snapshots = Snapshots(checkpoints, waiting)
    first, curve = _resume(checkpoint, snapshots, model, optimizer, losses)

    heartbeat = Heartbeat(folder.name, steps * per_step, "tokens")
    heartbeat.update(first * per_step)
    saved = time.monotonic()
    for step in range(first, steps):
        snapshots.take(step, model)
        start = (step % in_stream) * per_step
        block = torch.from_numpy(stream[start : start + per_step + 1].astype(np.int64)).to(device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, group["peak"])
        losses += _gradients(model, block[:-1].view(batch, context), block[1:])
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        done = step + 1
        if done % CURVE_STEPS == 0 or done == steps:
            loss = losses.item() / ((done - 1) % CURVE_STEPS + 1)
            losses.zero_()
            if not math.isfinite(loss):
                raise InfogeoError(
                    f"{folder.name}: the training loss is not finite at step {done}. Lower the "
                    "ladder's `learning_rate` or `init_std`."
                )
            curve.append([done, done * per_step, learning_rate(step, steps, peak), loss])
            heartbeat.update(done * per_step, f"loss {loss:.3f}")
        if done < steps and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            _checkpoint(checkpoint, done, model, optimizer, losses, curve)
            saved = time.monotonic()

    nll = heldout_nll(model, np.load(prepared / "heldout.npy"), batch)
    _save(folder, prepared, model, curve, nll)
    snapshots.gather(folder / NAME)
    _remove(waiting)
    heartbeat.close(f"held-out {nll:.4f} nats/token")
    return {"tokens": steps * per_step, "heldout_nll": nll}


def _check(stream, in_stream: int, batch, context, width, head_width) -> None:
    """Refuse a stream shorter than a batch, and heads that do not fit."""
    if in_stream < 1:
        raise InfogeoError(
            f"the ladder's token stream has {len(stream):,} tokens, fewer than one batch of "
            f"{batch} × {context} + 1. Give its corpus more text, or lower `batch`."
        )
    if width % head_width:
        raise InfogeoError(
            f"ladder: head_width {head_width} does not divide the width {width}. Choose widths "
            "that are multiples of it."
        )


def new_model(width, depth, seed, vocabulary, context, head_width, init_std):
    """A GPTNeoXForCausalLM in evaluation mode (there is no dropout) with seeded weights."""
    import torch

    narrow_imports.narrow()
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=width // head_width,
        intermediate_size=4 * width,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=init_std,
        bos_token_id=0,
        eos_token_id=0,
        architectures=["GPTNeoXForCausalLM"],
        dtype="float32",
    )
    model = GPTNeoXForCausalLM(config).eval()
    # By name and our own generator: the library's own order of initialisation may change.
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1:
                value.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
            else:
                value.normal_(0.0, init_std, generator=generator)
    return model


def _optimizer(model, width: int, peak: float, beta2: float):
    """AdamW in two groups of weights, each with its peak learning rate."""
    import torch

    embeddings = model.get_input_embeddings().weight
    others = [value for value in model.parameters() if value is not embeddings]
    groups = [
        {"params": [embeddings], "peak": peak},
        {"params": others, "peak": peak * EQUAL_RATES_WIDTH / width},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, beta2), fused=True)


def _gradients(model, inputs, targets):
    """Set the gradients of the mean cross-entropy; return it, in nats per token.

    inputs (batch, context), targets (batch · context). The logits are made, used and dropped some
    rows at a time, and the loss is differentiated by hand: the usual way keeps several
    (tokens, vocabulary) arrays and is a quarter slower at width 32.
    """
    import torch

    model.zero_grad()
    states = model.gpt_neox(input_ids=inputs, use_cache=False).last_hidden_state
    states = states.view(-1, states.shape[-1])  # (n, width)
    embeddings = model.gpt_neox.embed_in.weight  # (vocabulary, width)
    n = len(states)
    with torch.no_grad():
        d_states, d_embeddings = torch.empty_like(states), torch.zeros_like(embeddings)
        loss = states.new_zeros(())
        for rows in _row_blocks(states, embeddings):
            target = targets[rows, None]  # (rows, 1)
            p = states[rows] @ embeddings.T  # (rows, vocabulary)
            torch.softmax(p, 1, out=p)
            p_target = p.gather(1, target)
            loss -= p_target.log().sum()
            p.scatter_(1, target, p_target - 1)
            torch.mm(p, embeddings, out=d_states[rows])
            d_embeddings.addmm_(p.T, states[rows])
    states.backward(d_states.div_(n))
    embeddings.grad.add_(d_embeddings.div_(n))
    return loss.div_(n)


def _row_blocks(states, embeddings):
    """Slices of rows whose logits fit a CPU's second-level cache, or keep a GPU busy."""
    elements = 2**26 if states.is_cuda else 2**19
    rows = max(1, elements // len(embeddings))
    return [slice(start, start + rows) for start in range(0, len(states), rows)]


def heldout_nll(model, tokens: np.ndarray, batch: int) -> float:
    """Mean next-token negative log-likelihood, nats, of sequences (texts, context)."""
    import torch
    from torch.nn.functional import cross_entropy

    total = 0.0
    with torch.no_grad():
        for start in range(0, len(tokens), batch):
            ids = torch.from_numpy(tokens[start : start + batch].astype(np.int64)).to(model.device)
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            total += cross_entropy(
                logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
            ).item()
    return total / (len(tokens) * (tokens.shape[1] - 1))


def _save(folder: Path, prepared: Path, model, curve: list, nll: float) -> None:
    """Write the directory of a model, and its training curve, which ends in the held-out NLL."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    # named_parameters() yields the tied embedding once, as the input's.
    weights = {name: value.detach().cpu() for name, value in model.named_parameters()}
    with replacing(folder / "model.safetensors") as path:
        path.write_bytes(save(weights, metadata={"format": "pt"}))
    with replacing(folder / "config.json") as path:
        model.config.to_json_file(path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        with replacing(folder / name) as path:
            path.write_bytes((prepared / name).read_bytes())
    with replacing(folder / "training.csv") as path:
        rows = [",".join(f"{value:.10g}" for value in row) + "," for row in curve]
        rows[-1] += f"{nll:.10g}"
        header = "step,tokens,learning_rate,loss,heldout_nll"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def _remove(waiting: Path) -> None:
    """Remove what waited for the end, and the folders around it where others use them no more."""
    shutil.rmtree(waiting, ignore_errors=True)
    for parent in (waiting.parent, waiting.parent.parent):
        with contextlib.suppress(OSError):
            parent.rmdir()


def _checkpoint(path: Path, step: int, model, optimizer, losses, curve) -> None:
    import torch

    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "losses": losses,
        "curve": curve,
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _resume(path: Path, snapshots: Snapshots, model, optimizer, losses) -> tuple[int, list]:
    """Load a checkpoint, if there is one, in place; return the steps done and the curve so far."""
    import torch

    if not path.exists():
        return 0, []
    state = torch.load(path, map_location=model.device, weights_only=True)
    if not snapshots.are_whole_before(state["step"]):  # someone has removed them: anew
        return 0, []
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    losses.copy_(state["losses"])
    print(f"resuming at step {state['step']:,} from {path}", flush=True)
    return state["step"], state["curve"]
