# Needs: the configuration and the two tables. Makes: the validated configuration (CONFIG), the rows
# (MODELS, CORPORA), and functions of rows that other files use.
import re
import sys

from snakemake.exceptions import WorkflowError

SCRIPTS = CHECKOUT / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from infogeo.files.errors import InfogeoError
from infogeo.planning import (
    configuration,
    input_tables,
    pairings,
    prospects,
    training_rows,
    watched,
)
from infogeo.planning.recipes import with_signature
from infogeo.sources import cards, foreign, ladder_members, published, replicates, runs

try:
    CONFIG = configuration.located(configuration.merged(config), CHECKOUT)
    MODELS, CORPORA = ({row["slug"]: row for row in rows} for rows in input_tables.read(CONFIG))
    PUBLISHED = published.read(CONFIG["published"])
except InfogeoError as error:
    raise WorkflowError(str(error)) from None

# The folder of results, in another one where a module has a prefix.
RESULTS = workflow.modifier.path_modifier.replace_prefix("results/").rstrip("/")
LADDERS = CONFIG["ladders"]
CHECKPOINTS = [slug for slug, row in MODELS.items() if row["checkpoint_of"]]
# Slugs at steps by the row that they come from, of rows whose steps one job measures; see checkpoints.smk.
TOGETHER = training_rows.measured_together(list(MODELS.values()))
OF_ROWS_TOGETHER = {slug for at_steps in TOGETHER.values() for slug in at_steps}
STEPS_TOGETHER = next(([MODELS[slug]["step"] for slug in at] for at in TOGETHER.values()), [])
PLANTED = [slug for slug, row in MODELS.items() if row["variant_of"]]
LADDER_MODELS = [
    slug
    for slug, row in MODELS.items()
    if row["source"] == "ladder" and not (row["checkpoint_of"] or row["variant_of"])
]
LOCAL_MODELS = [slug for slug, row in MODELS.items() if row["source"] == "local"]
# The models that take part in each study: all in that of entropy.
STUDIED = {
    study: [slug for slug, row in MODELS.items() if study in row["studies"]]
    for study in training_rows.STUDIES
}
# Models that predict no next token have no information gain and no part in the context study.
GAIN_MODELS, CONTEXT_MODELS = (
    [slug for slug in STUDIED[study] if not cards.no_prediction(MODELS[slug])]
    for study in ("gain", "context")
)
# Those of which a page shows texts: of a run its last step.
VIEWED_MODELS = [
    row["slug"] for row in runs.last_of_runs([MODELS[slug] for slug in CONTEXT_MODELS])
]
WHY_NO_CONTEXT = "; ".join(
    dict.fromkeys(
        cards.no_prediction(row)
        or "context is not among its studies" * ("context" not in row["studies"])
        for row in MODELS.values()
    )
)
# Of the others only the states are there.
RUN_MODELS = [slug for slug, row in MODELS.items() if cards.has_model(row)]
GIVEN_STATES = [slug for slug, row in MODELS.items() if not cards.has_model(row)]
# The models under whose names the untrained twins of their architectures are.
ARCHITECTURES = list(dict.fromkeys(MODELS[slug]["architecture"] for slug in RUN_MODELS))
# Models whose weights do not stay on the disk, with their places from 0 to below 1 in the order of the table.
REMOVED = [slug for slug, row in MODELS.items() if not row["keep_weights"]]
REMOVED = {slug: place / len(REMOVED) for place, slug in enumerate(REMOVED)}
# The models that read their texts with the words in random order too: those that laws over N compare.
SHUFFLED = {
    row["slug"]: row
    for row in runs.last_of_runs([MODELS[slug] for slug in RUN_MODELS])
    if CONFIG["controls"]["shuffled"]
}
HUB_MODELS = [slug for slug, row in MODELS.items() if row["source"] == "hub"]
HUB_CORPORA = [slug for slug, row in CORPORA.items() if row["source"] == "hub"]
# What each corpus lacks for the study of sentences, and the corpora of the study.
LACKING = prospects.lacking_for_sentences(list(CORPORA.values()), CONFIG)
JUDGED = [slug for slug, lacking in LACKING.items() if not lacking and STUDIED["sentences"]]

# The models of runs that are there at two steps or more.
AT_STEPS = [
    row["slug"]
    for at_steps in runs.steps_of_runs(list(MODELS.values())).values()
    for row in at_steps
]

# The models that are set side by side, two and two, and each of them once.
MODEL_PAIRS = pairings.compared_pairs(list(MODELS.values()))
PAIRED_MODELS = [slug for slug in MODELS if any(slug in pair for pair in MODEL_PAIRS)]
# Figures against N leave these families out.
FAMILIES_BESIDE = prospects.families_beside(list(MODELS.values()))


def one_of(names) -> str:
    """A regular expression for exactly these names."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def models_among(names) -> str:
    """A regular expression for these models, or for any name where all of them are among these.

    Snakemake reads it for each file: a list of a thousand names in each path is a third of the
    time of a plan. The rules that make models list theirs, so that a name of no row is missing.
    """
    return input_tables.SLUG if len(names) == len(MODELS) else one_of(names)


wildcard_constraints:
    model=models_among(MODELS),
    corpus=one_of(CORPORA),
    ladder=one_of(LADDERS),


# ---------------------------------------------------------------- files of every row
def per_model_and_corpus(path: str, corpora=CORPORA, models=MODELS) -> list[str]:
    return [path.format(corpus=c, model=m) for c in corpora for m in models]


def of_study(study: str, column: str) -> list:
    """A column of the rows of the models in a study."""
    return [MODELS[slug][column] for slug in STUDIED[study]]


def replicates_of(models) -> list:
    """What each of some models is a replicate of, and its number."""
    return [replicates.replicate_of(MODELS[slug]) for slug in models]


def with_twins(models) -> list[str]:
    """Those of some models that have untrained twins."""
    return [slug for slug in models if MODELS[slug]["architecture"]]


def per_model(path: str, models=MODELS) -> list[str]:
    return [path.format(model=model) for model in models]


def per_draw(path: str) -> list[str]:
    """The files of every untrained twin; other wildcards stay."""
    draws = range(CONFIG["controls"]["untrained_draws"])
    return [path.replace("{draw}", str(draw)) for draw in draws]


def twins_per_model(path: str, corpora=CORPORA, models=RUN_MODELS) -> list[str]:
    """The files of the twins of some models: one for all models of an architecture."""
    shared = dict.fromkeys(MODELS[m]["architecture"] for m in models)
    return [path.format(corpus=c, model=twins) for c in corpora for twins in shared]


def places_of_twins(corpora=CORPORA, models=RUN_MODELS) -> list[int]:
    """The place in `twins_per_model` of the file of each model on each corpus."""
    files = twins_per_model("{corpus}/{model}", corpora, models)
    places = {file: place for place, file in enumerate(files)}
    return [places[f"{c}/{MODELS[m]['architecture']}"] for c in corpora for m in models]


@with_signature
def gains_of_twins(wildcards) -> list[str]:
    """The gains of every token of a model's untrained twins; none where only its states are there."""
    if wildcards.model in GIVEN_STATES:
        return []
    (path,) = twins_per_model(TOKENS_OF_TWINS, [wildcards.corpus], [wildcards.model])
    return per_draw(path)


@with_signature
def spectra_of_shuffled(wildcards) -> str | list[str]:
    """The spectra of a model on texts whose words are in random order, where it reads these too."""
    corpus, model = wildcards.corpus, wildcards.model
    return f"results/spectra/{corpus}/{model}.shuffled.h5" if model in SHUFFLED else []


def of_shuffled(models) -> list[str]:
    """Those of some models that read their texts with the words in random order too."""
    return [slug for slug in models if slug in SHUFFLED]


@with_signature
def model_of_twins(wildcards) -> str:
    """The description of the model under whose name the twins of another are."""
    slug = MODELS[wildcards.model]["architecture"] or wildcards.model
    return f"results/models/{slug}/model.json"


@with_signature
def lengths_of_passes(wildcards) -> list[int]:
    """The n that the passes of a model depend on: an encoder has one for each, others for the longest."""
    n = sorted(CONFIG["spectra"]["n"])
    return n if cards.is_encoder(MODELS[wildcards.model]) else [n[0], n[-1]]


def member(model: str) -> dict:
    """Ladder, width, depth and seed of a ladder model."""
    return ladder_members.member(MODELS[model]["where"])


def ladder_of(model: str) -> dict:
    """The settings of the ladder to which a model belongs."""
    return LADDERS[member(model)["ladder"]]


# ---------------------------------------------------------------- inputs that users edit, outside of results
def corpus_sources(wildcards) -> list[str]:
    """The files behind a local corpus, so that an edited file is noticed."""
    return list(map(local, watched.nameable(watched.files_of_corpus(CORPORA[wildcards.corpus]))))


def corpus_listing(wildcards) -> str | list[str]:
    """What was downloaded of a hub corpus."""
    corpus = wildcards.corpus
    return f"results/corpora/{corpus}.files.json" if corpus in HUB_CORPORA else []


def given_files(wildcards) -> list[str]:
    """The files of states of a model on a corpus, or on all corpora their descriptions."""
    where = MODELS[wildcards.model]["where"]
    if "corpus" in wildcards.keys():
        return list(map(local, watched.nameable(watched.files_of_states(where, wildcards.corpus))))
    return [local(f"{where}/{corpus}/{foreign.DESCRIPTION}") for corpus in CORPORA]


def local_files(wildcards) -> list[str]:
    """The files of a local model that determine its numbers, so that edited weights are noticed."""
    return list(map(local, watched.nameable(watched.files_of_model(MODELS[wildcards.model]))))


def sampled_sentences(wildcards) -> str | list[str]:
    """The sample of a corpus whose texts are judged by label."""
    corpus = wildcards.corpus
    return f"results/sentences/{corpus}/texts.parquet" if corpus in JUDGED else []
