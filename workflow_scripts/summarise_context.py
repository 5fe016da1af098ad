"""Means, intervals and verdicts of the context study, over all corpora and models."""

from itertools import chain

import pandas as pd

from infogeo.context import report
from infogeo.context import summary as context_summary
from infogeo.context.distribution import distribution
from infogeo.files import artefacts, tables
from infogeo.files.parts import Lazily, Parts, in_parts
from infogeo.jobs import binding
from infogeo.sources import cards

FIELDS = ("params_total", "params_non_embedding", "width", "final_width", "layers", "commit")
RULE_OF = {  # the list of expected fingerprints by which each input is checked
    "gain": "gain", "gain_positions": "gain", "gain_relations": "gain", "gain_checks": "gain",
    "gain_surprisal": "gain", "untrained_gain": "untrained", "untrained_relations": "untrained",
    "selection": "selection", "ridge": "selection", "ablation": "ablation",
    "ablation_status": "ablation",
}  # fmt: skip
PER_TEXT = ("gain", "untrained_gain")  # a row for each text: read in parts
AT_FINAL = ("gain_positions", "gain_checks", "gain_surprisal")
SUMMARIES = ("gain", "selection", "ablation", "distribution")


def main(files, params, output) -> None:
    """Read one corpus after the other, one model at a time, summarise, and write the tables."""
    models = cards.described(files.models, FIELDS, slug=params.models, family=params.families)
    random = artefacts.read_table(files.null, params.expected_null)
    settings = {"draws": params.draws, "seed": params.seed}
    found = {name: [] for name in SUMMARIES}
    at_final = {name: [] for name in AT_FINAL}
    per_corpus = len(params.models)
    for i, corpus in enumerate(params.corpora):
        part = slice(i * per_corpus, (i + 1) * per_corpus)
        read = {
            name: Lazily(
                Parts if name in PER_TEXT else artefacts.read_table,
                params.models,
                getattr(files, name)[part],
                getattr(params, f"expected_{rule}")[part],
            )
            for name, rule in RULE_OF.items()
        }
        found["gain"].append(context_summary.gain(corpus, models, read, random, **settings))
        for name in AT_FINAL:
            at_final[name].append(context_summary.at_final(corpus, models, read[name]))
        for name in ("selection", "ablation"):
            summarise = getattr(context_summary, name)
            found[name].append(summarise(corpus, models, read[name], **settings))
        found["distribution"].append(
            distribution(corpus, models, read, n=params.n, headline_eps2=params.headline_eps2,
                         **settings)
        )  # fmt: skip
    for name, frames in at_final.items():
        parts = in_parts(chain.from_iterable(frames))
        artefacts.write_table(parts, output[name], params.fingerprint)
    for name in SUMMARIES:
        found[name] = pd.concat(found[name], ignore_index=True)
        found[name] = cards.with_commits(found[name], models)
        artefacts.write_table(found[name], output[name], params.fingerprint)
    for name in ("gain", "selection", "ablation"):
        tables.write_csv(found[name], output[f"{name}_table"])
    shown = (found["gain"], found["selection"], found["distribution"], params.headline_eps2)
    tables.write_text(report.markdown_text(*shown), output.markdown)
    tables.write_text(report.terminal_text(*shown), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
