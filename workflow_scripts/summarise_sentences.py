"""How well each distance separates labels, and how that changes with N."""

import pandas as pd

from infogeo.files import artefacts, tables
from infogeo.files.parts import Lazily
from infogeo.jobs import binding
from infogeo.sentences import report
from infogeo.sentences.file import load
from infogeo.sentences.study import judge_corpus
from infogeo.sentences.summary import score_table, with_q_values
from infogeo.sentences.trends import trend_table
from infogeo.sources import cards

FIELDS = ("params_total", "params_non_embedding", "width", "layers", "commit")


def main(files, params, output) -> None:
    """Judge one corpus after the other, one model at a time, and write the tables."""
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
    )
    scores, trends = [], []
    per_corpus = len(params.models)
    for i, corpus in enumerate(params.corpora):
        part = slice(i * per_corpus, (i + 1) * per_corpus)
        trained, untrained = (
            Lazily(load, params.models, paths[part], expected[part])
            for paths, expected in (
                (files.trained, params.expected),
                (files.untrained, params.expected_untrained),
            )
        )
        study = judge_corpus(
            corpus,
            models,
            trained,
            untrained,
            neighbours=params.neighbours,
            permutations=params.permutations,
            seed=params.seed,
        )
        headline = {"headline_depth": params.headline_depth}
        scores.append(cards.with_commits(score_table(study, **headline), models))
        trends.append(trend_table(study, **headline, draws=params.draws, seed=params.seed))
    found = {
        name: with_q_values(pd.concat(frames, ignore_index=True))
        for name, frames in (("scores", scores), ("trends", trends))
    }
    for name, frame in found.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
        tables.write_csv(frame, output[f"{name}_table"])
    shown = found["scores"], found["trends"]
    tables.write_text(report.markdown_text(*shown), output.markdown)
    tables.write_text(report.terminal_text(*shown), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
