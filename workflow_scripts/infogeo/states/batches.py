"""Hidden states of many texts: batches of about equal length, and the rows that they fill."""

import contextlib

import numpy as np
import torch

from infogeo.files.errors import InfogeoError
from infogeo.states.model import LanguageModel, check_texts
from infogeo.states.out_of_memory import run_halving_on_oom
from infogeo.states.probe import not_finite_remedy
from infogeo.states.tokens import Encoded

BLOCK_BYTES = 1 << 28  # of hidden states that `states` holds at once
CPU_TOKENS = 1 << 10  # of a batch on a CPU, at most: more of them take memory, and no less time


def plan_blocks(lengths, most_tokens: int) -> list[range]:
    """Consecutive texts in blocks of at most so many tokens; a longer text is a block of its own.

    Parameters
    ----------
    lengths : sequence of int
    most_tokens : int
    """
    blocks, start, tokens = [], 0, 0
    for text, length in enumerate(lengths):
        if text > start and tokens + length > most_tokens:
            blocks.append(range(start, text))
            start, tokens = text, 0
        tokens += length
    return [*blocks, range(start, len(lengths))]


def plan_batches(lengths, batch_tokens: int) -> list[np.ndarray]:
    """Batches of texts of about equal length, longest first.

    Parameters
    ----------
    lengths : sequence of int
    batch_tokens : int
        Most tokens of a batch, padding included; a longer text is a batch of its own.

    Returns
    -------
    list of int64 ndarrays
        Indices of the texts of each batch; within a batch they rise.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, batch_tokens // int(lengths[order[start]]))
        batches.append(np.sort(order[start : start + size]))
        start += size
    return batches


def allocate_states(model: LanguageModel, layers, rows: int, least: str = "bfloat16") -> dict:
    """Memory for the states of so many tokens: layer -> (rows, d) tensor.

    In the states' dtype, or float32 where that is the least precision. Pinned where there is a
    GPU, so that it can copy there while it is at work.
    """
    pinned = model.device.type == "cuda"
    dtype = torch.float32 if least == "float32" else model.states_dtype
    return {
        layer: torch.empty((rows, model.widths[layer]), dtype=dtype, pin_memory=pinned)
        for layer in layers
    }


def _pieces(spans, longest: int) -> list[tuple[slice, slice]]:
    """(rows of the target, rows of a padded batch) to copy: of texts that adjoin in both, one."""
    pieces = []
    for place, span in enumerate(spans):
        start = place * longest
        stop = start + span.stop - span.start
        if pieces and (pieces[-1][0].stop, pieces[-1][1].stop) == (span.start, start):
            target, source = pieces.pop()
            span, start = slice(target.start, span.stop), source.start
        pieces.append((span, slice(start, stop)))
    return pieces


class Rows:
    """The states of some texts, one after another, and the passes that fill them in.

    Parameters
    ----------
    model : LanguageModel
    layers : list of str
    lengths : sequence of int, one per text
    doc_ids : sequence of str, one per text
        For messages.
    memory : dict, optional
        Memory to use, from `allocate_states`: fresh memory costs about as much as filling it.
    score : bool
        Whether to compute likelihoods too.

    Attributes
    ----------
    offsets : (texts + 1,) int64 ndarray
    hidden : dict of layer -> (T, d) tensor on the CPU
    dtype : torch.dtype
        Of these.
    nll, predictive_entropy : (T,) float32 ndarrays
    splits : int
        How often a batch was halved for want of memory.
    """

    def __init__(
        self, model: LanguageModel, layers, lengths, doc_ids, memory=None, score: bool = True
    ):
        self.model, self.doc_ids, self.score = model, doc_ids, score and model.causal
        self.offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        rows = int(self.offsets[-1])
        memory = allocate_states(model, layers, rows) if memory is None else memory
        self.hidden = {layer: memory[layer][:rows] for layer in layers}
        self.dtype = next(iter(self.hidden.values())).dtype
        self.nll = np.full(rows, np.nan, dtype=np.float32)
        self.predictive_entropy = np.full(rows, np.nan, dtype=np.float32)
        self.splits = 0
        self._streams = {}  # of each GPU, the one on which states are copied to the CPU

    def run(self, texts, batch_tokens: int, on_progress=lambda tokens: None) -> None:
        """Fill all rows, in batches of texts of about equal length.

        Parameters
        ----------
        texts : list of (n_i,) int ndarrays
            Token ids.
        batch_tokens : int
            See `plan_batches`; on a CPU at most `CPU_TOKENS` count.
        on_progress : callable
            Called after every batch with the number of tokens done.

        Raises
        ------
        InfogeoError
            Where memory does not suffice for one text, or a state is not finite.
        """
        done, lengths = 0, np.diff(self.offsets)
        if self.model.device.type == "cpu":
            batch_tokens = min(batch_tokens, CPU_TOKENS)
        for batch in plan_batches(lengths, batch_tokens):
            self.splits += run_halving_on_oom(
                self.model,
                lambda part: self._run(part, [texts[text] for text in part]),
                batch,
                lambda part: len(part) * int(lengths[part].max()),
                lambda text: f"model {self.model.name!r}, text {self.doc_ids[text]!r}",
            )
            done += sum(len(texts[text]) for text in batch)
            on_progress(done)
        self._await_copies()

    def _run(self, indices, texts):
        spans = [slice(self.offsets[index], self.offsets[index + 1]) for index in indices]
        pieces, total = _pieces(spans, max(map(len, texts))), None

        def copy(layer, hidden):  # (texts, longest, d)
            nonlocal total
            if layer in self.hidden:
                self._copy(hidden, self.hidden[layer], pieces)
            if layer == "final":
                total = hidden.sum(dtype=torch.float32)

        nll, entropy = self.model.run(texts, copy, self.score)
        for place, span in enumerate(spans):
            self.nll[span], self.predictive_entropy[span] = nll[place], entropy[place]
        # NaN and infinity stay in the residual stream to its end, and survive a sum: one number
        # clears a batch.
        if not torch.isfinite(total):
            self._require_finite(indices, spans)

    def _copy(self, hidden, target, pieces):
        """Copy pieces of a padded batch (texts, longest, d) to rows of the target on the CPU.

        A GPU copies them on a stream of its own while it is at work on the next layer.
        """
        rows = hidden.flatten(0, 1)  # (texts · longest, d)
        device, copying = rows.device, contextlib.nullcontext()
        if device.type == "cuda":
            rows = rows.clone()  # later layers may write where this was
            if device not in self._streams:
                self._streams[device] = torch.cuda.Stream(device)
            self._streams[device].wait_stream(torch.cuda.current_stream(device))
            rows.record_stream(self._streams[device])
            copying = torch.cuda.stream(self._streams[device])
        with copying:
            for to, of in pieces:
                target[to].copy_(rows[of], non_blocking=True)

    def _await_copies(self):
        for stream in self._streams.values():
            stream.synchronize()

    def _require_finite(self, indices, spans):
        self._await_copies()
        for index, span in zip(indices, spans, strict=True):
            for layer, hidden in self.hidden.items():
                if not torch.isfinite(hidden[span]).all():
                    raise self._not_finite(layer, self.doc_ids[index])
        for index, span in zip(indices, spans, strict=True):  # a layer that is not stored
            if self.score and not np.isfinite(self.nll[span][1:]).all():
                raise self._not_finite("final", self.doc_ids[index])

    def _not_finite(self, layer, doc_id):
        return InfogeoError(
            f"model {self.model.name!r}, layer {layer}, text {doc_id!r}: hidden states are not "
            f"finite. {not_finite_remedy(self.model.dtype)}"
        )


def states(
    model: LanguageModel, encoded: Encoded, doc_ids, layers, batch_tokens: int, setting: str
):
    """Hidden states straight from forward passes; nothing is stored, and no logits are made.

    Parameters
    ----------
    model : LanguageModel
    encoded : Encoded
    doc_ids : sequence of str, one per text
    layers : list of str
    batch_tokens : int
        See `plan_batches`.
    setting : str
        Key of the configuration that sets the length of texts, for messages.

    Yields
    ------
    text : int
    layer : str
    Z : (n, d) float32 ndarray
        Layer by layer within blocks of texts.
    """
    check_texts(model, encoded, setting)
    per_token = sum(model.widths[layer] for layer in layers) * model.states_dtype.itemsize
    for block in plan_blocks(encoded.lengths, BLOCK_BYTES // per_token):
        texts = [encoded.text(text) for text in block]
        names = [doc_ids[text] for text in block]
        rows = Rows(model, layers, [len(text) for text in texts], names, score=False)
        rows.run(texts, batch_tokens)
        for layer in layers:
            for place, text in enumerate(block):
                start, stop = rows.offsets[place : place + 2]
                yield text, layer, rows.hidden[layer][start:stop].float().numpy()
