"""infogeo: the information in the geometry of language-model representations."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

# Where rules, scripts and the library are: beside this file, or, of a repository of a hosting service, in a copy.
here = workflow.current_basedir
CHECKOUT = Path(here.get_path_or_uri(secret_free=True))
if not (here.is_local and CHECKOUT.is_dir()):  # a commit of a local repository is no folder
    if not hasattr(here, "hosted_repo"):
        raise WorkflowError(
            f"infogeo is taken from {here}, where its library cannot be fetched from. Take it with github(…) "
            "or gitlab(…), or clone the repository and name the path of its Snakefile (docs/module.md)."
        )
    # Snakemake fetches single files, but rules are hashed with the whole library.
    repository = here.hosted_repo.repo
    commit = repository.commit(here.ref).hexsha
    CHECKOUT = Path(".snakemake/infogeo").absolute() / commit
    if not CHECKOUT.exists():
        CHECKOUT.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CHECKOUT.parent) as partial:
            archive, tree = Path(partial, "tree.tar"), Path(partial, "tree")
            with archive.open("wb") as file:
                repository.archive(file, treeish=commit)
            shutil.unpack_archive(archive, tree)
            try:
                tree.rename(CHECKOUT)
            except OSError:  # Another process was first.
                if not CHECKOUT.exists():
                    raise


configfile: "config/config.yaml" if Path("config/config.yaml").exists() else f"{CHECKOUT}/config/config.yaml"


# The front page of the report, which is written after a run; see rules/hooks.smk.
FRONT_PAGE = Path("results/report.rst").absolute()


report: FRONT_PAGE if FRONT_PAGE.exists() else f"{CHECKOUT}/rules/captions/workflow.rst"


include: f"{CHECKOUT}/rules/common.smk"
include: f"{CHECKOUT}/rules/fingerprints.smk"
include: f"{CHECKOUT}/rules/resources.smk"
include: f"{CHECKOUT}/rules/targets.smk"
include: f"{CHECKOUT}/rules/corpora.smk"
include: f"{CHECKOUT}/rules/models.smk"
include: f"{CHECKOUT}/rules/{'hidden_states' if CONFIG['keep_hidden_states'] else 'measurement'}.smk"


if TOGETHER:

    include: f"{CHECKOUT}/rules/checkpoints.smk"


include: f"{CHECKOUT}/rules/entropy.smk"
include: f"{CHECKOUT}/rules/scaling.smk"
include: f"{CHECKOUT}/rules/training.smk"
include: f"{CHECKOUT}/rules/differences.smk"
include: f"{CHECKOUT}/rules/context.smk"
include: f"{CHECKOUT}/rules/dimension.smk"
include: f"{CHECKOUT}/rules/sentences.smk"
include: f"{CHECKOUT}/rules/similarity.smk"
include: f"{CHECKOUT}/rules/theory.smk"
include: f"{CHECKOUT}/rules/claims.smk"
include: f"{CHECKOUT}/rules/figures.smk"
include: f"{CHECKOUT}/rules/plan.smk"
include: f"{CHECKOUT}/rules/hooks.smk"


rule all:
    """Everything: tables, figures and pages."""
    default_target: True
    input:
        table_files(),
        figure_files(),


rule hidden_states:
    """The hidden states of every model on every corpus, but for those of which only spectra are kept."""
    input:
        per_model_and_corpus(
            "results/hidden_states/{corpus}/{model}.h5",
            models=[slug for slug in MODELS if slug not in OF_ROWS_TOGETHER],
        ),


rule entropy:
    """The entropies of every model, of its untrained twins and of random vectors."""
    input:
        per_model_and_corpus("results/entropy/{corpus}/{model}.parquet"),
        twins_per_model("results/entropy/{corpus}/{model}.untrained.parquet"),
        "results/nulls/random.parquet",


rule scaling:
    """The scaling laws, with their controls and verdicts."""
    input:
        rules.fit_scaling_laws.output,


rule differences:
    """Two models side by side: every metric of one less that of the other."""
    input:
        difference_files,


rule training:
    """Metrics over training: trajectories, phases, and when in training a law arises."""
    input:
        training_files,


rule context:
    """The context study: information gain, token selection and token ablation."""
    input:
        context_files,


rule dimension:
    """The intrinsic dimension of every layer, beside its controls."""
    input:
        dimension_files,


rule sentences:
    """The study of sentences: mean embeddings and distances between covariances, judged by labels."""
    input:
        sentence_files,


rule similarity:
    """How similar layers of a model are, and models, on the same texts."""
    input:
        similarity_files,


rule theory:
    """The skills model, simulated and fitted; needs no model."""
    input:
        rules.simulate_skills.output,
        figure_files("theory"),


rule claims:
    """A verdict on each of the paper's claims."""
    input:
        table_files("claims"),


rule tables:
    """The result tables."""
    input:
        table_files(),


rule figures:
    """The figures, as PDF and PNG, and the pages."""
    input:
        figure_files(),
