# Needs: the tables and the fingerprints of models. Makes: what the rules ask a scheduler for.
from functools import cache

from snakemake.resources import Resource

# Asked for each resource of each job, of a constant too.
with_signature(Resource.evaluate, bound=True)


@cache
def demands():
    """What jobs of a model ask for; see demand.py."""
    from infogeo.planning.demand import Demands  # here, since few jobs need it and it imports numpy

    return Demands(CONFIG, RESULTS)


def demand(rule: str, wildcards, threads: int) -> dict:
    """What the job of a rule of a model asks for, on a corpus if there is one."""
    at_steps = TOGETHER.get(wildcards.get("run"), ())
    model = at_steps[0] if at_steps else wildcards.model
    corpus = CORPORA[wildcards.corpus] if "corpus" in wildcards.keys() else None
    expected = fingerprint_of_model(SimpleNamespace(model=model))
    return demands().of(rule, MODELS[model], corpus, expected, threads)


def megabytes(rule: str, workers: int = 1):
    """For `mem_mb`: what the rule takes in so many workers, more with each attempt."""

    @with_signature
    def asked(wildcards, attempt, threads):
        return attempt * workers * demand(rule, wildcards, threads)["megabytes"]

    return asked


def minutes(rule: str):
    """For `runtime`: from what the rule computes, more with each attempt."""

    @with_signature
    def asked(wildcards, attempt, threads):
        return attempt * demand(rule, wildcards, threads)["minutes"]

    return asked


def gpus(workers: int = 1):
    """For `gpu`: what so many workers on one node need to hold the model, in whatever job."""
    return with_signature(
        lambda wildcards: workers * demand("dump_hidden_states", wildcards, 1)["gpus"]
    )


@cache
def summary(rule: str) -> dict:
    """What the job of a rule over all models asks for; see demand.py."""
    from infogeo.planning.demand import summary

    rows = list(MODELS.values()), list(CORPORA.values())
    return summary(rule, *rows, CONFIG, RESULTS, fingerprints_of_models())


def megabytes_over_all(rule: str):
    """For `mem_mb` of a job over all models, more with each attempt."""
    return lambda wildcards, attempt: attempt * summary(rule)["megabytes"]


def minutes_over_all(rule: str):
    """For `runtime` of a job over all models, more with each attempt."""
    return lambda wildcards, attempt: attempt * summary(rule)["minutes"]


def megabytes_of_texts():
    """For `mem_mb` of a job that holds its compressed texts several times, more with each attempt."""
    return lambda wildcards, input, attempt: attempt * (1000 + int(12 * input.size_mb))


def megabytes_of_states():
    """For `mem_mb` of a job that holds those of its files that cannot be mapped, more with each attempt."""

    def asked(wildcards, input, attempt):
        whole = [file for file in input.files if Path(file).suffix in (".npz", ".parquet", ".json")]
        return attempt * (1000 + 3 * sum(Path(file).stat().st_size for file in whole) // 10**6)

    return asked


def rising(least: int):
    """For `mem_mb` where texts and layers do not matter: more with each attempt."""
    return with_signature(lambda wildcards, attempt: attempt * least)


# ---------------------------------------------------------------- weights that are removed once they are read
# No more jobs that read such weights run at once.
workflow.register_resource("checkpoints", CONFIG["checkpoints_at_once"])


def checkpoints(wildcards) -> int:
    """For `checkpoints`: whether the job of a model reads weights that do not stay."""
    return int(wildcards.model in REMOVED)


def checkpoints_at_once(wildcards) -> int:
    """For `checkpoints_at_once`: of how many models such weights are on the disk at most; 0 for others."""
    return CONFIG["checkpoints_at_once"] if wildcards.model in REMOVED else 0


def turn(wildcards) -> float:
    """For `priority`: jobs that read the same weights run one after another, before those of the next model."""
    return 2 - REMOVED[wildcards.model] if wildcards.model in REMOVED else 0


# What jobs that read weights ask for beside the rest, and when they run. Snakemake calls each function for each job: so
# there is none where all weights stay.
READS_REMOVED = (
    {"checkpoints": checkpoints, "checkpoints_at_once": checkpoints_at_once} if REMOVED else {}
)
TURN = turn if REMOVED else 0

# Where and in how many workers a job spreads its work. By default it does all of it itself, and states nothing:
# Snakemake takes a while over each resource of each job.
LAUNCHED = {}
if CONFIG["launch"] != {"placement": "debug", "workers": 1}:
    LAUNCHED = {**CONFIG["launch"], "arrays": int(CONFIG["launch"]["placement"] == "slurm")}

# Workers that share one job's GPUs.
LOCAL_WORKERS = CONFIG["launch"]["workers"] if CONFIG["launch"]["placement"] == "local" else 1
