"""How bent the way to shuffled words is: what a nat makes of the metrics, the first and the last.

    python tests/bench/shuffled.py results CORPUS MODEL [MODEL …]

A tenth, a half and all of the words of each text's first 128 tokens change places, in every fourth
text. For each: the loss in nats that it costs, and by how much ln of each metric of the last layer
changes a nat. Then the first of these changes over the last: 1 on a straight way. Where it exceeds
`reading.MARGIN`, better reading may pass for a law.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from infogeo.geometry.entropy import evaluate
from infogeo.geometry.spectra import text_spectra
from infogeo.sources import cards
from infogeo.states import loading
from infogeo.states.batches import Rows
from infogeo.states.tokens import encode, load_tokenizer
from infogeo.states.word_order import WHITE_SPACE

N = 128
SHARES = (0.0, 0.1, 0.5, 1.0)
METRICS = (("entropy", "centred"), ("entropy", "unit"), ("coding_rate_rank[eps2=0.5]", "unit"))


def partly_shuffled(text: str, end: int, share: float, seed) -> str:
    """A text of whose words before a place a share has changed places with each other."""
    parts, rng = WHITE_SPACE.split(text), np.random.default_rng(seed)
    starts = np.cumsum([0, *map(len, parts)])[:-1:2]
    inside = [2 * i for i, start in enumerate(starts) if start < end and parts[2 * i]]
    chosen = np.sort(rng.permutation(inside)[: round(share * len(inside))])
    words = [parts[place] for place in rng.permutation(chosen)]
    for place, word in zip(chosen, words, strict=True):
        parts[place] = word
    return "".join(parts)


def read(model, tokenizer, texts, share: float) -> np.ndarray:
    """The mean loss, and ln of the mean of each metric."""
    made = []
    for number, text in enumerate(texts):
        spans = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        made.append(partly_shuffled(text, spans[: min(N, len(spans))][-1][1], share, [0, number]))
    encoded = encode(tokenizer, made, N, N, "spectra.n")
    names = list(map(str, range(len(encoded))))
    rows = Rows(model, ["final"], encoded.lengths, names)
    rows.run([encoded.text(place) for place in range(len(encoded))], 4096)
    Z = rows.hidden["final"].float().numpy().reshape(len(encoded), N, -1)
    spectra = {convention: text_spectra(Z, [N])[convention, "in", N][0]
               for convention in ("unit", "centred")}  # fmt: skip
    values = [evaluate(metric, spectra[convention], Z.shape[-1], N, convention).mean()
              for metric, convention in METRICS]  # fmt: skip
    return np.array([np.nanmean(rows.nll), *np.log(values)])


def main(results, corpus: str, slugs: list[str]) -> None:
    """Print the changes of each model."""
    texts = pd.read_parquet(Path(results, "corpora", f"{corpus}.parquet"))["text"][::4]
    print(f"{'model':20}{'words':>6}{'nats':>8}"
          + "".join((m.split("[")[0] + " " + c).rjust(24) for m, c in METRICS))  # fmt: skip
    for slug in slugs:
        card = cards.read(Path(results, "models", slug, "model.json"))
        model = loading.load_model(card["directory"], dtype="float32", name=slug)
        tokenizer = load_tokenizer(card["directory"])
        base, *others = (read(model, tokenizer, texts, share) for share in SHARES)
        changes = [other - base for other in others]
        for share, change in zip(SHARES[1:], changes, strict=True):
            print(f"{slug:20}{share:>6.0%}{change[0]:8.3f}"
                  + "".join(f"{value:24.4f}" for value in change[1:] / change[0]))  # fmt: skip
        bent = (changes[0][1:] / changes[0][0]) / (changes[-1][1:] / changes[-1][0])
        print(
            f"{slug:20}{'bent':>6}{'':8}" + "".join(f"{value:24.2f}" for value in bent), flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
