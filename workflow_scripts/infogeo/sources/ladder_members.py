"""The members of a ladder by their names: which shape, how many parameters, whose settings.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

import re

from infogeo.files.errors import InfogeoError

MEMBER = re.compile(
    r"(?P<ladder>[^/]+)/w(?P<width>[1-9]\d*)-d(?P<depth>[1-9]\d*)-s(?P<seed>0|[1-9]\d*)(\+sink)?"
)
SINK = "+sink"  # ends the `where` of a member with a planted first token (see `planted_sink`)
SINK_DEPTH = 3  # blocks at least: the first finds that token, the last takes away what is added


def member(where: str) -> dict:
    """A ladder row's `where`, '<ladder>/w64-d2-s0', as {ladder, width, depth, seed}.

    It may end in `SINK`.

    Raises
    ------
    InfogeoError
        Where it has another form.
    """
    match = MEMBER.fullmatch(where)
    if match is None:
        raise InfogeoError(
            f"{where!r} is not of the form <ladder>/w<width>-d<depth>-s<seed>, or that and {SINK}"
        )
    return {"ladder": match["ladder"]} | {k: int(match[k]) for k in ("width", "depth", "seed")}


def parameters(width: int, depth: int, vocabulary: int) -> tuple[int, int]:
    """(total, non-embedding) parameters of a ladder model: GPT-NeoX, tied, an MLP of 4 × width.

    A block has 3d² + 3d for queries, keys and values, d² + d for their output, 8d² + 5d for the
    MLP and 4d for two norms; after the last block comes a norm, 2d.

    Notes
    -----
    Verified against transformers' GPTNeoXForCausalLM, to the last parameter.
    """
    non_embedding = depth * (12 * width**2 + 13 * width) + 2 * width
    return non_embedding + vocabulary * width, non_embedding


def last_step(ladder: dict) -> int:
    """The steps of a training with the settings of a ladder: tokens, batch and context."""
    return max(1, ladder["tokens"] // (ladder["batch"] * ladder["context"]))


def checkpoints(ladder: dict) -> list[int]:
    """The steps, before the last, whose weights a ladder's training keeps.

    0, and the others spaced evenly in their logarithms from 1 on; fewer where they would coincide.
    """
    count, last = ladder["checkpoints"], last_step(ladder)
    spaced = [round(last ** (i / (count - 1))) for i in range(count - 1)]
    return sorted({0, *spaced} - {last})[:count] if count else []


def settings(row: dict, config: dict) -> dict | None:
    """Settings of the ladder to which a row of the models table belongs; None where it is none."""
    if row["source"] != "ladder":
        return None
    return config["ladders"][member(row["where"])["ladder"]]
