# Needs: the configuration and the two tables. Makes: what every rule file uses, which is the validated
# configuration (CONFIG), the rows (MODELS, CORPORA), the fingerprints, and the lists of final files.
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from infogeo.planning import configuration, input_tables
from infogeo.files import fingerprint
from infogeo.sources import ladder_members, published, replicates
from infogeo.jobs import slurm
from infogeo.files.errors import InfogeoError

# ---------------------------------------------------------------- configuration and tables
try:
    CONFIG = configuration.merged(config)
    MODELS, CORPORA = ({row["slug"]: row for row in rows} for rows in input_tables.read(CONFIG))
    PUBLISHED = published.read(CONFIG["published"])
except InfogeoError as error:
    raise WorkflowError(str(error)) from None

LADDERS = CONFIG["ladders"]
LADDER_MODELS = [slug for slug, row in MODELS.items() if row["source"] == "ladder"]
LOCAL_MODELS = [slug for slug, row in MODELS.items() if row["source"] == "local"]
HUB_MODELS = [slug for slug, row in MODELS.items() if row["source"] == "hub"]
HUB_CORPORA = [slug for slug, row in CORPORA.items() if row["source"] == "hub"]
# The study of sentences is judged by labels.
LABELLED = [slug for slug, row in CORPORA.items() if input_tables.has_labels(row)]


def one_of(names) -> str:
    """A regular expression for exactly these names."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    model=one_of(MODELS),
    corpus=one_of(CORPORA),
    ladder=one_of(LADDERS),


# What of a row or a ladder determines the numbers of its corpus, of its data, of its training.
CORPUS_KEYS = (
    "source",
    "where",
    "revision",
    "files",
    "text_column",
    "label_column",
    "texts",
    "min_characters",
    "train_share",
)
LADDER_DATA_KEYS = ("corpus", "vocabulary", "context", "tokens")
LADDER_TRAINING_KEYS = ("batch", "learning_rate", "beta2", "init_std", "head_width")


# ---------------------------------------------------------------- inputs that users edit
def corpus_sources(wildcards) -> list[str]:
    """The files behind a local corpus, so that an edited file is noticed."""
    row = CORPORA[wildcards.corpus]
    if row["source"] != "local":
        return []
    where = Path(row["where"])
    return sorted(map(str, where.rglob("*.txt"))) if where.is_dir() else [str(where)]


def corpus_listing(wildcards) -> str | list[str]:
    """What was downloaded of a hub corpus."""
    corpus = wildcards.corpus
    return f"results/corpora/{corpus}.files.json" if corpus in HUB_CORPORA else []


def local_files(wildcards) -> list[str]:
    """The files of a local model that determine its numbers, so that edited weights are noticed."""
    where = Path(MODELS[wildcards.model]["where"])
    return sorted(str(file) for kind in ("*.safetensors", "*.json") for file in where.glob(kind))


def sampled_sentences(wildcards) -> str | list[str]:
    """The sample of a corpus with labels."""
    corpus = wildcards.corpus
    return f"results/sentences/{corpus}/texts.parquet" if corpus in LABELLED else []


# ---------------------------------------------------------------- fingerprints
@cache
def logic(rule: str) -> str:
    """The hash of what a rule's script and the library modules under it compute."""
    try:
        return fingerprint.logic(str(SCRIPTS / f"{rule}.py"))
    except InfogeoError as error:
        raise WorkflowError(str(error)) from None


def maker(rule: str) -> str:
    """The rule that makes what `rule` makes where hidden states are stored."""
    return rule if CONFIG["keep_hidden_states"] else "measure_states"


def kept_states(corpus: str) -> dict:
    """What decides which hidden states are kept where not all are stored."""
    if CONFIG["keep_hidden_states"]:
        return {}
    kept = {"keep_hidden_states": False}
    if corpus in LABELLED:
        kept["sample"] = sample_fingerprint(corpus)
        kept["depths"] = CONFIG["sentences"]["depths"]
        kept["tolerance"] = CONFIG["scaling"]["depth_tolerance"]
        kept["n"] = CONFIG["sentences"]["n"]
    return kept


def member(model: str) -> dict:
    """Ladder, width, depth and seed of a ladder model."""
    return ladder_members.member(MODELS[model]["where"])


def per_model_and_corpus(path: str, corpora=CORPORA) -> list[str]:
    return [path.format(corpus=c, model=m) for c in corpora for m in MODELS]


def per_model(path: str) -> list[str]:
    return [path.format(model=model) for model in MODELS]


@cache
def listing_fingerprint(corpus: str) -> str:
    row = CORPORA[corpus]
    if row["source"] != "hub":
        return ""
    return fingerprint.digest(
        {key: row[key] for key in ("where", "revision", "files")}
        | {"logic": logic("download_corpus")}
    )


@cache
def corpus_fingerprint(corpus: str) -> str:
    return fingerprint.digest(
        {
            "row": {key: CORPORA[corpus][key] for key in CORPUS_KEYS},
            "seed": CONFIG["seed"],
            "logic": logic("fetch_corpus"),
        }
    )


@cache
def ladder_fingerprint(ladder: str) -> str:
    return fingerprint.digest(
        {
            "corpus": corpus_fingerprint(LADDERS[ladder]["corpus"]),
            "settings": {key: LADDERS[ladder][key] for key in LADDER_DATA_KEYS},
            "seed": CONFIG["seed"],
            "logic": logic("prepare_ladder"),
        }
    )


@cache
def model_fingerprint(model: str) -> str:
    row = MODELS[model]
    if row["source"] == "ladder":
        ladder = member(model)["ladder"]
        return fingerprint.digest(
            {
                "ladder": ladder_fingerprint(ladder),
                "settings": {key: LADDERS[ladder][key] for key in LADDER_TRAINING_KEYS},
                "member": member(model),
                "seed": CONFIG["seed"],
                "logic": logic("train_ladder"),
            }
        )
    maker = "download_model" if row["source"] == "hub" else "fetch_model"
    return fingerprint.digest(
        {key: row[key] for key in ("source", "where", "revision")} | {"logic": logic(maker)}
    )


@cache
def states_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "model": model_fingerprint(model),
            "corpus": corpus_fingerprint(corpus),
            "dtype": MODELS[model]["dtype"],
            "n": [min(CONFIG["spectra"]["n"]), max(CONFIG["spectra"]["n"])],
            "states": CONFIG["states"],
            "logic": logic(maker("dump_hidden_states")),
        }
        | kept_states(corpus)
    )


@cache
def spectra_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),
            "n": CONFIG["spectra"]["n"],
            "logic": logic(maker("compute_spectra")),
        }
    )


@cache
def untrained_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),  # of model, corpus, dtype and layers too
            "n": CONFIG["spectra"]["n"],
            "lambdas": CONFIG["context"]["lambdas"],
            "eps2": CONFIG["entropy"]["eps2"],
            "draws": CONFIG["controls"]["untrained_draws"],
            "seed": CONFIG["seed"],
            "logic": logic("untrained_twins"),
        }
    )


@cache
def entropy_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "spectra": spectra_fingerprint(model, corpus),
            "untrained": untrained_fingerprint(model, corpus),
            "eps2": CONFIG["entropy"]["eps2"],
            "lambdas": CONFIG["context"]["lambdas"],
            "logic": logic("compute_entropy"),
        }
    )


@cache
def null_fingerprint() -> str:
    return fingerprint.digest(
        {
            "n": CONFIG["spectra"]["n"],
            "eps2": CONFIG["entropy"]["eps2"],
            "lambdas": CONFIG["context"]["lambdas"],
            "draws": CONFIG["controls"]["random_draws"],
            "seed": CONFIG["seed"],
            "logic": logic("random_null"),
        }
    )


@cache
def laws_fingerprint() -> str:
    return fingerprint.digest(
        {
            "entropies": [entropy_fingerprint(m, c) for c in CORPORA for m in MODELS],
            "families": [[m, row["family"]] for m, row in MODELS.items()],
            "replicates": [replicates.replicate_of(row) for row in MODELS.values()],
            "null": null_fingerprint(),
            "scaling": CONFIG["scaling"],
            "headline": CONFIG["headline"],
            "seed": CONFIG["seed"],
            "logic": logic("fit_scaling_laws"),
        }
    )


@cache
def gain_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),
            "lambdas": CONFIG["context"]["lambdas"],
            "eps2": CONFIG["entropy"]["eps2"],
            "draws": CONFIG["scaling"]["draws"],
            "seed": CONFIG["seed"],
            "logic": logic(maker("information_gain")),
        }
    )


@cache
def selection_fingerprint(model: str, corpus: str) -> str:
    keys = ("k", "lambdas", "random_draws", "rotations", "centred")
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),
            "context": {key: CONFIG["context"][key] for key in keys},
            "eps2": [CONFIG["entropy"]["eps2"], CONFIG["headline"]["eps2"]],
            "seed": CONFIG["seed"],
            "logic": logic("token_selection"),
        }
    )


@cache
def ablation_fingerprint(model: str, corpus: str) -> str:
    keys = ("k", "shares", "ablation_draws", "centred")
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),
            "context": {key: CONFIG["context"][key] for key in keys},
            "seed": CONFIG["seed"],
            "logic": logic("token_ablation"),
        }
    )


@cache
def context_fingerprint() -> str:
    parts = (gain_fingerprint, untrained_fingerprint, selection_fingerprint)
    return fingerprint.digest(
        {
            "parts": [
                part(m, c)
                for part in (*parts, ablation_fingerprint)
                for c in CORPORA
                for m in MODELS
            ],
            "families": [[m, row["family"]] for m, row in MODELS.items()],
            "null": null_fingerprint(),
            "headline": CONFIG["headline"]["eps2"],
            "draws": CONFIG["scaling"]["draws"],
            "seed": CONFIG["seed"],
            "logic": logic("summarise_context"),
        }
    )


@cache
def sample_fingerprint(corpus: str) -> str:
    return fingerprint.digest(
        {
            "corpus": corpus_fingerprint(corpus),
            "texts_per_label": CONFIG["sentences"]["texts_per_label"],
            "seed": CONFIG["seed"],
            "logic": logic("sentence_sample"),
        }
    )


@cache
def geometry_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "states": states_fingerprint(model, corpus),
            "sample": sample_fingerprint(corpus),
            "n": CONFIG["sentences"]["n"],
            "depths": CONFIG["sentences"]["depths"],
            "tolerance": CONFIG["scaling"]["depth_tolerance"],
            "logic": logic("sentence_geometry"),
        }
    )


@cache
def untrained_geometry_fingerprint(model: str, corpus: str) -> str:
    return fingerprint.digest(
        {
            "model": model_fingerprint(model),
            "corpus": corpus_fingerprint(corpus),
            "sample": sample_fingerprint(corpus),
            "dtype": MODELS[model]["dtype"],
            "n": CONFIG["sentences"]["n"],
            "depths": CONFIG["sentences"]["depths"],
            "tolerance": CONFIG["scaling"]["depth_tolerance"],
            "states": CONFIG["states"],
            "draws": CONFIG["controls"]["untrained_draws"],
            "seed": CONFIG["seed"],
            "logic": logic("untrained_sentences"),
        }
    )


@cache
def sentences_fingerprint() -> str:
    return fingerprint.digest(
        {
            "parts": [
                part(m, c)
                for part in (geometry_fingerprint, untrained_geometry_fingerprint)
                for c in LABELLED
                for m in MODELS
            ],
            "families": [[m, row["family"]] for m, row in MODELS.items()],
            "replicates": [replicates.replicate_of(row) for row in MODELS.values()],
            "neighbours": CONFIG["sentences"]["neighbours"],
            "permutations": CONFIG["sentences"]["permutations"],
            "depth": CONFIG["headline"]["depth"],
            "draws": CONFIG["scaling"]["draws"],
            "seed": CONFIG["seed"],
            "logic": logic("summarise_sentences"),
        }
    )


@cache
def maps_fingerprint(corpus: str) -> str:
    return fingerprint.digest(
        {
            "models": [[m, geometry_fingerprint(m, corpus)] for m in MODELS],
            "umap_neighbours": CONFIG["sentences"]["umap_neighbours"],
            "seed": CONFIG["seed"],
            "logic": logic("sentence_maps"),
        }
    )


@cache
def skills_fingerprint() -> str:
    return fingerprint.digest(
        {
            "theory": CONFIG["theory"],
            "seed": CONFIG["seed"],
            "logic": logic("simulate_skills"),
        }
    )


@cache
def published_fingerprint() -> str:
    return fingerprint.digest(
        {
            "rows": PUBLISHED,
            "draws": CONFIG["scaling"]["draws"],
            "seed": CONFIG["seed"],
            "logic": logic("fit_published"),
        }
    )


# ---------------------------------------------------------------- what a scheduler is asked for
def demand(rule: str, wildcards, threads: int) -> dict:
    """What the job of a rule of a model asks for, on a corpus if there is one; see demand.py."""
    from infogeo.planning.demand import demand  # here, since few jobs need it and it imports numpy

    model = wildcards.model
    corpus = CORPORA[wildcards.corpus] if "corpus" in wildcards.keys() else None
    expected = model_fingerprint(model)
    return demand(rule, MODELS[model], corpus, CONFIG, "results", expected, threads)


def megabytes(rule: str, workers: int = 1):
    """For `mem_mb`: what the rule takes in so many workers, more with each attempt."""

    def asked(wildcards, attempt, threads):
        return attempt * workers * demand(rule, wildcards, threads)["megabytes"]

    return asked


def minutes(rule: str):
    """For `runtime`: from what the rule computes, more with each attempt."""

    def asked(wildcards, attempt, threads):
        return attempt * demand(rule, wildcards, threads)["minutes"]

    return asked


def gpus(workers: int = 1):
    """For `gpu`: what so many workers on one node need to hold the model, in whatever job."""
    return lambda wildcards: workers * demand("dump_hidden_states", wildcards, 1)["gpus"]


@cache
def summary(rule: str) -> dict:
    """What the job of a rule over all models asks for; see demand.py."""
    from infogeo.planning.demand import summary

    expected = [model_fingerprint(model) for model in MODELS]
    rows = list(MODELS.values()), list(CORPORA.values())
    return summary(rule, *rows, CONFIG, "results", expected)


def megabytes_over_all(rule: str):
    """For `mem_mb` of a job over all models, more with each attempt."""
    return lambda wildcards, attempt: attempt * summary(rule)["megabytes"]


def minutes_over_all(rule: str):
    """For `runtime` of a job over all models, more with each attempt."""
    return lambda wildcards, attempt: attempt * summary(rule)["minutes"]


def rising(least: int):
    """For `mem_mb` where texts and layers do not matter: more with each attempt."""
    return lambda wildcards, attempt: attempt * least


# Workers that share one job's GPUs.
LOCAL_WORKERS = CONFIG["launch"]["workers"] if CONFIG["launch"]["placement"] == "local" else 1


# ---------------------------------------------------------------- the report
# Models times corpora up to which their tables are embedded: some 40 MB of a page.
MOST_REPORTED = 100


def reported(path: str, label: str):
    """A table with rows of every model or family, in the report unless a browser could not open it."""
    if len(MODELS) * len(CORPORA) > MOST_REPORTED:
        return path
    return report(path, category="Tables", labels={"table": label})


# ---------------------------------------------------------------- final files
def per_corpus(*names, corpora=CORPORA) -> list[str]:
    return [f"{corpus}/{name}" for corpus in corpora for name in names]


# What each part of the study leaves for readers: names of tables; figures and pages, without suffix.
PARTS = {
    "scaling": {
        "tables": ["scaling_laws.csv", "scaling_laws.md", "scaling_laws.txt", "entropy.csv"],
        "figures": per_corpus("entropy_scaling", "conditional_entropy", "depth", "width_pairs"),
        "pages": [],
    },
    "context": {
        "tables": [
            "information_gain.csv",
            "token_selection.csv",
            "token_ablation.csv",
            "context.md",
            "context.txt",
        ],
        "figures": per_corpus("information_gain", "token_selection", "token_ablation"),
        "pages": per_corpus("text_view"),
    },
    "sentences": {
        "tables": ["sentences.csv", "sentence_trends.csv", "sentences.md", "sentences.txt"],
        "figures": per_corpus("sentence_maps", "sentence_distances", corpora=LABELLED),
        "pages": per_corpus("sentence_view", corpora=LABELLED),
    },
    "theory": {
        "tables": ["skills.csv", "theory.csv", "theory.md", "theory.txt"],
        "figures": ["skills"],
        "pages": [],
    },
    # Last, and so printed last.
    "claims": {
        "tables": ["published_laws.csv", "claims.csv", "claims.md", "claims.txt"],
        "figures": [],
        "pages": [],
    },
}
if not LABELLED:
    del PARTS["sentences"]


def table_files(*parts) -> list[str]:
    """The tables of these parts of the study, or of all."""
    return [f"results/tables/{name}" for part in parts or PARTS for name in PARTS[part]["tables"]]


def figure_files(*parts) -> list[str]:
    """The figures and pages of these parts of the study, or of all."""
    return [
        f"results/figures/{name}.{kind}"
        for part in parts or PARTS
        for key, kinds in (("figures", ("pdf", "png")), ("pages", ("html",)))
        for name in PARTS[part][key]
        for kind in kinds
    ]


def sentence_files(wildcards) -> list[str]:
    """The tables, figures and pages of the study of sentences."""
    if not LABELLED:
        raise WorkflowError(
            f"no corpus in {CONFIG['corpora']} has labels, by which sentences are judged: name its "
            "column in label_column, or sort a folder's texts into subfolders."
        )
    return table_files("sentences") + figure_files("sentences")


def figure_outputs(name: str, title: str) -> dict:
    """Both files of a figure; the PNG goes into the report."""
    path = f"results/figures/{{corpus}}/{name}"
    return {
        "pdf": f"{path}.pdf",
        "png": report(
            f"{path}.png",
            caption=f"captions/{name}.rst",
            category="Figures",
            subcategory="{corpus}",
            labels={"figure": title},
        ),
    }


# ---------------------------------------------------------------- before and after the run
def check_partitions() -> None:
    """On SLURM, see that the partitions which the profile names are there, before submitting."""
    jobs = [
        job
        for job in workflow.dag.needrun_jobs()
        if job.resources.get("placement") == "slurm"
        or (workflow.executor_plugin.name == "slurm" and not job.is_local)
    ]
    if not jobs:
        return
    requests = [
        (
            job.rule.name,
            str(job.resources.slurm_partition),
            bool(job.resources.get("gpu")) or "gpu" in job.resources.get("gres", ""),
            job.resources.get("runtime") or 0,
        )
        for job in jobs
        if job.resources.get("slurm_partition") and not job.resources.get("clusters")
    ]
    try:
        slurm.check(requests, slurm.partitions())
    except InfogeoError as error:
        raise WorkflowError(str(error)) from None


def write_used_configuration() -> None:
    """Leave beside the results what was really used: defaults and overrides merged, and the tables."""
    Path("results").mkdir(exist_ok=True)
    text = yaml.safe_dump(CONFIG, sort_keys=False, allow_unicode=True)
    Path("results/config.yaml").write_text(text)
    for table in ("models", "corpora"):
        shutil.copyfile(CONFIG[table], f"results/{table}.tsv")


def show_results() -> None:
    """Render results/report.html and print the headline, where all tables and figures are newer."""
    page = Path("results/report.html")
    files = [Path(file) for file in table_files() + figure_files()]
    if not all(file.exists() for file in files):
        return
    if page.exists() and page.stat().st_mtime > max(file.stat().st_mtime for file in files):
        return
    command = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
    command += ["--configfile", "results/config.yaml", "--nolock", "--quiet", "all"]
    subprocess.run([*command, "--report", page], check=True)
    for file in table_files():
        if file.endswith(".txt"):
            print("", Path(file).read_text(), sep="\n")
    print("Tables   results/tables/     (what each column means: results/README.md)")
    print("Figures  results/figures/")
    print(f"Report   {page}")
