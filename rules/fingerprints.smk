# Needs: the configuration and the scripts. Makes: recipes. A rule file states the parameters of a rule once, in a
# recipe; from it follow the rule's `params` and the fingerprint by which its consumers check what it made.
from types import SimpleNamespace

from infogeo.files import kept_logic
from infogeo.planning.recipes import Recipe

try:
    LOGIC = kept_logic.of_scripts(SCRIPTS, Path(".snakemake/infogeo/logic.json"))
except InfogeoError as error:
    raise WorkflowError(str(error)) from None


def logic(rule: str) -> str:
    """The hash of what a rule's script and the library modules under it compute."""
    return LOGIC[rule]


def recipe(rule: str, *wildcards: str, **stated) -> Recipe:
    """The parameters of a rule with these wildcards, among them the hash of its script."""
    return Recipe(*wildcards, **stated, logic=logic(rule))


def pairs(corpora=CORPORA, models=MODELS) -> list[SimpleNamespace]:
    """The wildcards of every model on every corpus, in the order of per_model_and_corpus."""
    return [SimpleNamespace(corpus=c, model=m) for c in corpora for m in models]


def steps_of(wildcards) -> list[SimpleNamespace]:
    """The wildcards of every step of a ladder's row whose steps one job measures."""
    return pairs([wildcards.corpus], TOGETHER[wildcards.run])


def pair_of_twins(wildcards) -> SimpleNamespace:
    """The wildcards of the untrained twins of a model on a corpus."""
    return SimpleNamespace(corpus=wildcards.corpus, model=MODELS[wildcards.model]["architecture"])


def fingerprint_of_model(wildcards) -> str:
    """The fingerprint of a model, whichever rule makes it."""
    if wildcards.model in CHECKPOINTS:
        return TAKEN.fingerprint(wildcards)
    if wildcards.model in PLANTED:
        return SINK.fingerprint(wildcards)
    makers = {"ladder": TRAINED, "local": LOCAL, "hub": DOWNLOADED, "states": DESCRIBED}
    return makers[MODELS[wildcards.model]["source"]].fingerprint(wildcards)


def fingerprint_of_states(wildcards) -> str:
    """The fingerprint of the hidden states of a model, whichever rule makes them."""
    maker = IMPORTED if wildcards.model in GIVEN_STATES else STATES
    return maker.fingerprint(wildcards)


def fingerprint_of_spectra(wildcards) -> str:
    """The fingerprint of the spectra of a model, whichever rule makes them."""
    maker = OF_STEP if wildcards.model in OF_ROWS_TOGETHER else SPECTRA
    return maker.fingerprint(wildcards)


def fingerprints_of_models() -> list[str]:
    """The fingerprints of all models, in their order."""
    return [fingerprint_of_model(SimpleNamespace(model=model)) for model in MODELS]
