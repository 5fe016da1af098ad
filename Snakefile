"""infogeo: the information in the geometry of language-model representations."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# This checkout, wherever the workflow is run or imported from.
CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))


configfile: "config/config.yaml" if Path("config/config.yaml").exists() else f"{CHECKOUT}/config/config.yaml"


# The front page of the report, which is written after a run; see rules/hooks.smk.
FRONT_PAGE = Path("results/report.rst").absolute()


report: FRONT_PAGE if FRONT_PAGE.exists() else "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/fingerprints.smk"
include: "rules/resources.smk"
include: "rules/targets.smk"
include: "rules/corpora.smk"
include: "rules/models.smk"
include: "rules/hidden_states.smk" if CONFIG["keep_hidden_states"] else "rules/measurement.smk"
include: "rules/entropy.smk"
include: "rules/scaling.smk"
include: "rules/training.smk"
include: "rules/differences.smk"
include: "rules/context.smk"
include: "rules/dimension.smk"
include: "rules/sentences.smk"
include: "rules/similarity.smk"
include: "rules/theory.smk"
include: "rules/claims.smk"
include: "rules/figures.smk"
include: "rules/plan.smk"
include: "rules/hooks.smk"


rule all:
    """Everything: tables, figures and pages."""
    default_target: True
    input:
        table_files(),
        figure_files(),


rule hidden_states:
    """The hidden states of every model on every corpus."""
    input:
        per_model_and_corpus("results/hidden_states/{corpus}/{model}.h5"),


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
