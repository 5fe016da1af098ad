"""Which texts the study of sentences compares: equally many of each label, cut to n tokens."""

from dataclasses import dataclass

import numpy as np

from infogeo.sources.documents import Document, select

NAMED = 5  # labels that a message names


def balanced_sample(corpus, texts_per_label: int, seed: int):
    """Equally many texts of each label that has enough of them.

    Parameters
    ----------
    corpus : pandas.DataFrame
        Columns doc_id (unique), text, label, source; an empty label means none.
    texts_per_label : int
    seed : int
        A hash of seed and text decides, so that more texts or another order change little.

    Returns
    -------
    pandas.DataFrame
        doc_id, label, source of every text of the corpus, in its order, and left_out: empty for
        those that are taken, else ``no label``, ``label too small``,
        ``beyond texts_per_label``, or ``no second label``. None is taken where fewer than two
        labels have enough texts: their study is not available, and `summary` says why.
    """
    counts = corpus["label"][corpus["label"] != ""].value_counts()
    large = counts.index[counts >= texts_per_label]
    sample = corpus[["doc_id", "label", "source"]].assign(left_out="label too small")
    sample.loc[sample["label"] == "", "left_out"] = "no label"
    if len(large) < 2:
        sample.loc[sample["label"].isin(large), "left_out"] = "no second label"
        return sample
    for label in large:
        rows = corpus["label"] == label
        columns = (corpus.loc[rows, name] for name in ("doc_id", "text", "label", "source"))
        documents = [Document(*row) for row in zip(*columns, strict=True)]
        drawn = select(documents, texts_per_label, seed=seed).evaluation
        sample.loc[rows, "left_out"] = "beyond texts_per_label"
        sample.loc[rows & sample["doc_id"].isin([text.doc_id for text in drawn]), "left_out"] = ""
    return sample


def summary(sample, texts_per_label: int) -> str:
    """How many texts are taken, for the log; of none also why, and what to do."""
    taken = sample[sample["left_out"] == ""]
    line = f"{len(taken)} of {len(sample)} texts, {taken['label'].nunique()} labels"
    if len(taken):
        return line
    counts = sample["label"][sample["label"] != ""].value_counts()
    sizes = ", ".join(f"{name!r}: {number}" for name, number in counts.head(NAMED).items())
    more = f", and {len(counts) - NAMED} labels with fewer" if len(counts) > NAMED else ""
    return (
        f"{line}: the study of sentences is not available for this corpus. Two labels with "
        f"sentences.texts_per_label = {texts_per_label} texts are needed; texts of each label: "
        f"{sizes or 'none has one'}{more}. Lower sentences.texts_per_label, give more texts, or "
        "leave the corpus out of sentences.corpora."
    )


@dataclass(frozen=True)
class SampledTexts:
    """The texts of the study, cut to their first n tokens.

    Attributes
    ----------
    n : int
    index : (m,) int array
        Their indices among all texts that the states are of.
    doc_ids, labels, sources : lists of str (m,)
    token_ids : (m, n) int array
    byte_counts : (m,) int array
        UTF-8 bytes that the n tokens cover.
    left_out : dict of str to int
        Reason → number of texts.
    """

    n: int
    index: np.ndarray
    doc_ids: list[str]
    labels: list[str]
    sources: list[str]
    token_ids: np.ndarray
    byte_counts: np.ndarray
    left_out: dict[str, int]

    @classmethod
    def of(
        cls,
        doc_ids,
        labels,
        sources,
        offsets,
        token_ids,
        token_end_byte,
        *,
        sample,
        n: int,
        nested: bool = True,
    ) -> "SampledTexts":
        """Those of the sample that can be compared with a given tokenizer.

        Parameters
        ----------
        doc_ids, labels, sources : sequences of str (all texts,)
        offsets : (all texts + 1,) int array
        token_ids, token_end_byte : (T,) int arrays
            Of the tokens of all texts, one text after the other; see `infogeo.states.store`.
        sample : pandas.DataFrame
            From `balanced_sample`. Those that are not among all texts were too short to be stored.
        n : int
            Tokens to which texts are cut. Beside what the sample leaves out, texts are left out as
            ``too short`` (fewer than n tokens); ``one token`` (n times the same one, whose states
            differ by rounding alone); ``duplicate`` (the n tokens of an earlier text); ``only
            text`` (no other is left).
        nested : bool
            Whether the first n tokens of a longer text are a text of n; else those of exactly n
            tokens alone count, see `infogeo.states.store`.
        """
        counts = sample["left_out"].value_counts()
        sampled, seen, index = set(sample["doc_id"][sample["left_out"] == ""]), set(), []
        cut = nested | (np.diff(offsets) == n)
        known = {doc_id for doc_id, of_n in zip(doc_ids, cut, strict=True) if of_n}
        reasons = {"too short": len(sampled - known), "one token": 0, "duplicate": 0}
        for text, doc_id in enumerate(doc_ids):
            if doc_id not in sampled or not cut[text]:
                continue
            start = offsets[text]
            tokens = tuple(np.asarray(token_ids[start : min(start + n, offsets[text + 1])]))
            if len(tokens) < n:
                reasons["too short"] += 1
            elif len(set(tokens)) == 1:
                reasons["one token"] += 1
            elif tokens in seen:
                reasons["duplicate"] += 1
            else:
                seen.add(tokens)
                index.append(text)
        if len(index) == 1:
            reasons["only text"] = len(index)
            index = []
        index = np.array(index, int)
        starts = np.asarray(offsets)[index]
        names = (list(np.array(part, dtype=object)[index]) for part in (doc_ids, labels, sources))
        return cls(
            n,
            index,
            *names,
            token_ids=np.asarray(token_ids)[starts[:, None] + np.arange(n)],
            byte_counts=np.asarray(token_end_byte)[starts + n - 1],
            left_out={why: int(number) for why, number in counts.items() if why} | reasons,
        )

    def __len__(self):
        return len(self.index)
