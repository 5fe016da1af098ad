"""Runs on some tokens of texts that begin with the keys and values of the whole texts.

A token's states depend on the tokens before it alone. So all runs that keep the same first tokens
share their keys and values with the run on the whole text, which is made once.
"""

import numpy as np
import torch
from transformers import DynamicCache

from infogeo.states import gaps
from infogeo.states.model import LanguageModel
from infogeo.states.out_of_memory import is_out_of_memory


class _Keys(DynamicCache):
    """Keys and values of whole texts: stored at first (`length` 0), then put before new ones."""

    def __init__(self, texts: int):
        super().__init__()
        self.texts, self.stored = texts, {}
        self.rows, self.length = None, 0

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        """What a layer is to attend to: keys and values (B, heads, length + q, width)."""
        new = key_states, value_states
        if not self.length:
            if layer_idx not in self.stored:
                self.stored[layer_idx] = [x.new_empty((self.texts, *x.shape[1:])) for x in new]
            for stored, states in zip(self.stored[layer_idx], new, strict=True):
                stored[self.rows.to(stored.device)] = states
            return new
        return tuple(
            torch.cat([stored[self.rows.to(stored.device), :, : self.length], states], dim=2)
            for stored, states in zip(self.stored[layer_idx], new, strict=True)
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the new ones."""
        return self.length


class Beginnings:
    """Whole texts whose keys and values runs on some of their tokens begin with.

    Parameters
    ----------
    model : LanguageModel
    texts : (T, n) int ndarray
        Token ids.

    Notes
    -----
    Verified against `gaps.run_kept` on tiny models of all architectures that it can run: see
    tests/unit/states/test_beginnings.py. `problem` finds out where an architecture cannot do this.
    """

    def __init__(self, model: LanguageModel, texts):
        self.model = model
        self.ids = torch.from_numpy(np.asarray(texts, dtype=np.int64)).to(model.device)
        self.keys = _Keys(len(self.ids))
        shape = len(self.ids), self.ids.shape[1] + 1, model.widths["final"]
        self.sums = torch.zeros(shape, dtype=torch.float64, device=model.device)  # of final states

    def run_whole(self, rows):
        """One pass over some of the texts, which other runs can then begin with.

        Parameters
        ----------
        rows : (B,) int ndarray

        Returns
        -------
        logits, mean, last
            As of `gaps.run_kept`.
        """
        positions = np.tile(np.arange(self.ids.shape[1]), (len(rows), 1))
        final, *run = self._run(rows, np.zeros_like(rows), positions)
        with torch.inference_mode():
            self.sums[self.keys.rows, 1:] = final.double().cumsum(dim=1)
        return tuple(run)

    def run(self, rows, starts, positions):
        """One pass over the last kept tokens of texts: the earlier ones are their first tokens.

        Parameters
        ----------
        rows : (B,) int ndarray
            Texts, which `run_whole` has run.
        starts : (B,) int ndarray
            How many tokens of each come before the given ones, at least one of all of them.
        positions : (B, k) int ndarray
            Of the other tokens that are kept, rising, not below `starts`.

        Returns
        -------
        logits, mean, last
            As of `gaps.run_kept`, on the first tokens and the given ones.
        """
        return tuple(self._run(rows, starts, positions)[1:])

    def _run(self, rows, starts, positions):
        """Final states (B, k, d) of the given tokens, and what `run` returns."""
        rows, starts, positions = (
            torch.from_numpy(each).to(self.model.device) for each in (rows, starts, positions)
        )
        ids, length = self.ids[rows].gather(1, positions), int(starts.max())
        self.keys.rows, self.keys.length = rows, length
        mask = torch.ones_like(ids)
        if length:
            first = torch.arange(length, device=starts.device).expand(len(starts), -1)
            visible = torch.cat([first < starts[:, None], mask.bool()], dim=1)  # (B, length + k)
            keys = torch.cat([first, positions], dim=1)
            mask = gaps.masks(self.model, positions, keys, visible[:, None])
        options = {"past_key_values": self.keys}
        final, logits = gaps.predict_next(self.model, ids, mask, positions, **options)
        final = final.to(self.model.device)
        total = self.sums[rows, starts] + final.sum(dim=1, dtype=torch.float64)
        mean = total / (starts + positions.shape[1])[:, None]
        return final, logits, mean.float(), final[:, -1].float()


def problem(model: LanguageModel, text, seed: int) -> str:
    """Why runs on some tokens cannot begin with keys of the whole text; '' if they can.

    Tried on a text of which the first half is kept, and about half of the rest.

    Parameters
    ----------
    model : LanguageModel
        `gaps.check_gaps` has found no problem with it.
    text : (n,) int ndarray
    seed : int
    """
    text, name = np.asarray(text), type(model.model).__name__
    n, start = len(text), len(text) // 2
    if not start:
        return f"a text of {n} token has no first half."
    chosen = np.random.default_rng([seed, n, 1]).random(n) < 0.5
    chosen[:start] = chosen[-1] = True
    positions = np.flatnonzero(chosen)[None]
    alone = gaps.run_kept(model, text[positions], positions)
    beginnings = Beginnings(model, text[None])
    row = np.zeros(1, dtype=np.int64)
    try:
        beginnings.run_whole(row)
        after = beginnings.run(row, row + start, positions[:, start:])
    except Exception as error:  # caches of any architecture
        if is_out_of_memory(error):
            raise
        return f"{name} takes no keys of earlier runs ({type(error).__name__}: {error})."
    logits = (torch.log_softmax(one[0], dim=-1) for one in (alone, after))
    states = (torch.cat(one[1:]) for one in (alone, after))  # mean and last
    apart, moved = (float((one - other).abs().max()) for one, other in (logits, states))
    tolerance = gaps.GAP_TOLERANCE[model.dtype]
    moved /= float(alone[2].norm())
    if not max(apart, moved) <= tolerance:
        return (
            f"{name}: runs that begin with keys of the whole text and runs on the kept tokens "
            f"alone differ by {apart:.2g} nats, and their states by {moved:.2g} of the norm "
            f"(tolerance of both: {tolerance:g})."
        )
    return ""
