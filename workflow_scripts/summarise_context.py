"""Means, intervals and verdicts of the context study, over all corpora and models."""

import pandas as pd

from infogeo import artefacts, cards, context_summary, logs, tables
from infogeo.distribution import distribution

FIELDS = ("params_total", "params_non_embedding", "width", "final_width", "layers", "commit")
WITH_COMMITS = ("gain", "selection", "ablation", "distribution")
RULE_OF = {  # the list of expected fingerprints by which each input is checked
    "gain": "gain", "gain_positions": "gain", "gain_relations": "gain", "gain_checks": "gain",
    "gain_surprisal": "gain", "untrained_gain": "untrained", "untrained_relations": "untrained",
    "selection": "selection", "ridge": "selection", "ablation": "ablation",
    "ablation_status": "ablation",
}  # fmt: skip
TABLES = ("gain", "gain_positions", "gain_checks", "gain_surprisal", "selection", "ablation",
          "distribution")  # fmt: skip


def main(files, params, output) -> None:
    """Read one corpus after the other, summarise, and write the tables."""
    models = cards.described(files.models, FIELDS, slug=params.models, family=params.families)
    random = artefacts.read_table(files.null, params.expected_null)
    settings = {"draws": params.draws, "seed": params.seed}
    found = {name: [] for name in TABLES}
    per_corpus = len(params.models)
    for i, corpus in enumerate(params.corpora):
        part = slice(i * per_corpus, (i + 1) * per_corpus)
        read = {}
        for name, rule in RULE_OF.items():
            expected = getattr(params, f"expected_{rule}")[part]
            frames = map(artefacts.read_table, getattr(files, name)[part], expected)
            read[name] = dict(zip(params.models, frames, strict=True))
        found["gain"].append(context_summary.gain(corpus, models, read, random, **settings))
        for name in ("gain_positions", "gain_checks", "gain_surprisal"):
            found[name].append(context_summary.at_final(corpus, models, read[name]))
        for name in ("selection", "ablation"):
            summarise = getattr(context_summary, name)
            found[name].append(summarise(corpus, models, read[name], **settings))
        found["distribution"].append(
            distribution(corpus, models, read, n=params.n, headline_eps2=params.headline_eps2,
                         **settings)
        )  # fmt: skip
    found = {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}
    found |= {name: cards.with_commits(found[name], models) for name in WITH_COMMITS}
    for name, frame in found.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
    for name in ("gain", "selection", "ablation"):
        tables.write_csv(found[name], output[f"{name}_table"])
    shown = (found["gain"], found["selection"], found["distribution"], params.headline_eps2)
    tables.write_text(context_summary.markdown_text(*shown), output.markdown)
    tables.write_text(context_summary.terminal_text(*shown), output.terminal)


if __name__ == "__main__":
    with logs.rule(snakemake):
        main(snakemake.input, snakemake.params, snakemake.output)
