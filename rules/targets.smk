# Needs: the tables. Makes: the lists of final files, and their places in the report.


def per_corpus(*names, corpora=CORPORA) -> list[str]:
    return [f"{corpus}/{name}" for corpus in corpora for name in names]


# What each part of the study leaves for readers: names of tables; figures and pages, without suffix.
PARTS = {
    "scaling": {
        "tables": [
            "scaling_laws.csv",
            "scaling_laws.md",
            "scaling_laws.txt",
            "entropy.csv",
            "weights.csv",
        ],
        "figures": per_corpus("entropy_scaling", "conditional_entropy", "depth", "width_pairs"),
        "pages": [],
    },
    "differences": {
        "tables": ["paired_differences.csv"],
        "figures": per_corpus("paired_differences"),
        "pages": [],
    },
    "training": {
        "tables": [
            "trajectories.csv",
            "phases.csv",
            "training_pace.csv",
            "exponents_over_training.csv",
        ],
        "figures": per_corpus("trajectories", "training_phases", "exponents_over_training"),
        "pages": [],
    },
    "context": {
        "tables": [
            "information_gain.csv",
            "token_selection.csv",
            "token_ablation.csv",
            "layer_prediction.csv",
            "context.md",
            "context.txt",
        ],
        "figures": per_corpus(
            "information_gain", "token_selection", "token_ablation", "layer_prediction"
        ),
        "pages": per_corpus("text_view"),
    },
    "dimension": {
        "tables": ["intrinsic_dimension.csv"],
        "figures": per_corpus("intrinsic_dimension"),
        "pages": [],
    },
    "sentences": {
        "tables": [
            "sentences.csv",
            "sentence_trends.csv",
            "which_layer.csv",
            "sentences.md",
            "sentences.txt",
        ],
        "figures": per_corpus("sentence_maps", "sentence_distances", "which_layer", corpora=JUDGED),
        "pages": per_corpus("sentence_view", corpora=JUDGED),
    },
    "similarity": {
        "tables": ["layer_similarity.csv", "model_similarity.csv", "model_alignment.csv"],
        "figures": per_corpus("layer_similarity", "model_similarity"),
        "pages": [],
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
if not MODEL_PAIRS:
    del PARTS["differences"]
if not AT_STEPS:
    del PARTS["training"]
if not JUDGED:
    del PARTS["sentences"]
if not CONTEXT_MODELS:
    del PARTS["context"]
if not STUDIED["dimension"]:
    del PARTS["dimension"]
if not CONFIG["keep_hidden_states"] or not STUDIED["similarity"]:
    del PARTS["similarity"]


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


def no_model_in(study: str) -> str:
    """That no model takes part in a study, and how one does."""
    return f"no model in {CONFIG['models']} takes part in this study. Name it in the column studies: {study}"


def dimension_files(wildcards) -> list[str]:
    """The table and figures of intrinsic dimensions."""
    if not STUDIED["dimension"]:
        raise WorkflowError(no_model_in("dimension"))
    return table_files("dimension") + figure_files("dimension")


def context_files(wildcards) -> list[str]:
    """The tables, figures and pages of the context study."""
    if not CONTEXT_MODELS:
        raise WorkflowError(
            f"no model in {CONFIG['models']} takes part in the context study: {WHY_NO_CONTEXT}"
        )
    return table_files("context") + figure_files("context")


def sentence_files(wildcards) -> list[str]:
    """The tables, figures and pages of the study of sentences."""
    if not STUDIED["sentences"]:
        raise WorkflowError(no_model_in("sentences"))
    if not JUDGED:
        raise WorkflowError(
            f"the texts of no corpus in {CONFIG['corpora']} are judged. To add:\n"
            + "\n".join(f"  {corpus}: {lacking}" for corpus, lacking in LACKING.items())
        )
    return table_files("sentences") + figure_files("sentences")


def difference_files(wildcards) -> list[str]:
    """The table and figures of paired differences."""
    if not MODEL_PAIRS:
        raise WorkflowError(
            f"no models of {CONFIG['models']} are set side by side. To add: the slug of the other model in the "
            "column pair_with"
        )
    return table_files("differences") + figure_files("differences")


def training_files(wildcards) -> list[str]:
    """The tables and figures of the laws over training."""
    if not AT_STEPS:
        raise WorkflowError(
            f"no run of {CONFIG['models']} has two steps. To add: rows of one run, or one row with several in its "
            "column steps"
        )
    return table_files("training") + figure_files("training")


def similarity_files(wildcards) -> list[str]:
    """The tables and figures of the similarities."""
    if not CONFIG["keep_hidden_states"]:
        raise WorkflowError(prospects.NO_SIMILARITY)
    if not STUDIED["similarity"]:
        raise WorkflowError(no_model_in("similarity"))
    return table_files("similarity") + figure_files("similarity")


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


# ---------------------------------------------------------------- the report
# Models times corpora up to which their tables are embedded: some 40 MB of a page.
MOST_REPORTED = 100


def reported(path: str, label: str):
    """A table with rows of every model or family, in the report unless a browser could not open it."""
    if len(MODELS) * len(CORPORA) > MOST_REPORTED:
        return path
    return report(path, category="Tables", labels={"table": label})
