"""A ladder: small GPT-NeoX models of many widths and depths, trained here on the same tokens.

`ladder_data.prepare` makes what all of them share. The seed of a model changes its initial weights
and nothing else.
"""

import contextlib
import json
import math
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch.optim.adamw import adamw

from infogeo.jobs import memory
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import ladder_model
from infogeo.sources.ladder_checkpoints import NAME, Snapshots
from infogeo.sources.ladder_data import read_prepared

# Embeddings learn at the same rate at every width, all other weights at a rate ∝ 1/width (Yang et
# al. 2022, arXiv 2203.03466). With one rate for all ∝ 1/√width, deeper models came out worse than
# shallower ones at width 128; at this width the two rates are equal.
EQUAL_RATES_WIDTH = 16
WARMUP_SHARE = 0.1  # of the steps
MAX_GRADIENT_NORM = 1.0
WEIGHT_DECAY = 0.01
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
    prepared, folder = Path(prepared), Path(folder)
    shared = read_prepared(prepared, expected)
    context = shared["context"]
    stream = np.load(prepared / "train.npy")
    per_step = batch * context
    in_stream = (len(stream) - 1) // per_step  # steps until the stream repeats
    _check(stream, in_stream, batch, context, width, head_width)
    steps = max(1, tokens // per_step)

    torch.set_num_threads(threads)
    memory.keep_freed()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = ladder_model.Shape(width, depth, shared["vocabulary"], context, head_width)
    state = _State(shape, seed, init_std, device)
    tables = ladder_model.tables(context, head_width, state.weights.flat)
    waiting = Path(scratch) / fingerprint  # of its own: one that others use could vanish under them
    checkpoint = waiting / "training.pt"
    snapshots = Snapshots(checkpoints, waiting)
    first, curve = _resume(checkpoint, snapshots, state)

    heartbeat = Heartbeat(folder.name, steps * per_step, "tokens")
    heartbeat.update(first * per_step)
    saved = time.monotonic()
    for step in range(first, steps):
        snapshots.take(step, state.weights.named)
        start = (step % in_stream) * per_step
        block = torch.from_numpy(stream[start : start + per_step + 1].astype(np.int64)).to(device)
        inputs, targets = block[:-1].view(batch, context), block[1:]
        state.sums[0] += ladder_model.loss_and_gradients(
            state.weights, state.gradients, tables, inputs, targets
        )
        state.sums[1] += _update(state, learning_rate(step, steps, peak), beta2)
        done = step + 1
        if done % CURVE_STEPS == 0 or done == steps:
            loss, norm = (state.sums / ((done - 1) % CURVE_STEPS + 1)).tolist()
            state.sums.zero_()
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise InfogeoError(
                    f"{folder.name}: the training loss or its gradient is not finite at step "
                    f"{done}. Lower the ladder's `learning_rate` or `init_std`."
                )
            curve.append([done, done * per_step, learning_rate(step, steps, peak), loss])
            heartbeat.update(done * per_step, f"loss {loss:.3f}")
        if done < steps and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            with replacing(checkpoint) as temporary:
                torch.save({"step": done, "curve": curve, "arrays": state.arrays()}, temporary)
            saved = time.monotonic()

    nll = _heldout_nll(state.weights, head_width, np.load(prepared / "heldout.npy"), batch)
    config = ladder_model.configuration(shape, init_std)
    _save(folder, prepared, state.weights, config, curve, nll)
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


class _State:
    """What changes while a member is trained."""

    def __init__(self, shape, seed: int, init_std: float, device: str):
        flat = ladder_model.initial(shape, seed, init_std).flat.to(device)
        self.weights = ladder_model.Weights(shape, flat)
        self.gradients = ladder_model.Weights(shape, torch.zeros_like(flat))
        self.first_moments, self.second_moments = torch.zeros_like(flat), torch.zeros_like(flat)
        self.updates = torch.zeros(2, device=device)  # of embeddings, and of all others
        # Of losses and gradients' norms since the last row of the curve: reading waits for a GPU.
        self.sums = torch.zeros(2, device=device)

    def arrays(self) -> list:
        """All that a checkpoint must hold: the gradients are made anew by each step."""
        moments = [self.first_moments, self.second_moments]
        return [self.weights.flat, *moments, self.updates, self.sums]


def _update(state: _State, rate: float, beta2: float):
    """Clip the gradients, make one step of AdamW; return their norm before.

    `rate` is that of the embeddings.
    """
    gradients = state.gradients.flat
    norm = torch.linalg.vector_norm(gradients)
    gradients.mul_((MAX_GRADIENT_NORM / (norm + 1e-6)).clamp_(max=1.0))
    embeddings = state.weights.embeddings
    sizes = [embeddings.numel(), len(gradients) - embeddings.numel()]
    arrays = (state.weights.flat, gradients, state.first_moments, state.second_moments)
    rates = (rate, rate * EQUAL_RATES_WIDTH / embeddings.shape[1])
    for *part, updates, lr in zip(
        *(array.split(sizes) for array in arrays), state.updates, rates, strict=True
    ):
        # The function: the class would import PyTorch's compiler, which takes a second.
        adamw(
            *([array] for array in part),
            max_exp_avg_sqs=[],
            state_steps=[updates],
            lr=lr,
            beta1=0.9,
            beta2=beta2,
            weight_decay=WEIGHT_DECAY,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            fused=True,
        )
    return norm


def _heldout_nll(weights, head_width: int, tokens: np.ndarray, batch: int) -> float:
    """Mean next-token negative log-likelihood, nats, of sequences (texts, context)."""
    texts, length = tokens.shape[0], tokens.shape[1] - 1  # of what is predicted
    tables = ladder_model.tables(length, head_width, weights.flat)
    total = 0.0
    for start in range(0, texts, batch):
        ids = torch.from_numpy(tokens[start : start + batch].astype(np.int64))
        ids = ids.to(weights.flat.device)
        loss = ladder_model.mean_loss(weights, tables, ids[:, :-1], ids[:, 1:].flatten())
        total += loss.item() * len(ids)
    return total / texts


def _save(folder: Path, prepared: Path, weights, config: dict, curve: list, nll: float) -> None:
    """Write the directory of a model, and its training curve, which ends in the held-out NLL."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors") as path:
        path.write_bytes(save(weights.named, metadata={"format": "pt"}))
    with replacing(folder / "config.json") as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
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


def _resume(path: Path, snapshots: Snapshots, state: _State) -> tuple[int, list]:
    """Load a checkpoint, if there is one, in place; return the steps done and the curve so far."""
    if not path.exists():
        return 0, []
    saved = torch.load(path, map_location=state.sums.device, weights_only=True)
    if not snapshots.are_whole_before(saved["step"]):  # someone has removed them: anew
        return 0, []
    for array, value in zip(state.arrays(), saved["arrays"], strict=True):
        array.copy_(value)
    print(f"resuming at step {saved['step']:,} from {path}", flush=True)
    return saved["step"], saved["curve"]
