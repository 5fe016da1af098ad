# Needs: the tables of published values, and what every part of the study found. Makes: results/tables/claims.*, a
# verdict on each claim.

from infogeo.files.artefacts import sha256_file
from infogeo.files.fingerprint import digest

# Families of ladders: a run ends with those that a user brought.
TRAINED_FAMILIES = list(dict.fromkeys(MODELS[model]["family"] for model in LADDER_MODELS + PLANTED))

PUBLISHED_LAWS = recipe(
    "fit_published",
    tables=CONFIG["published"],
    rows=digest(PUBLISHED),
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
)


rule fit_published:
    """Fit the laws of published values, with the controls that they allow."""
    output:
        laws="results/scaling/published.parquet",
        table=report(
            "results/tables/published_laws.csv",
            category="Tables",
            labels={"table": "scaling laws of published values"},
        ),
    log:
        "results/logs/fit_published.log",
    benchmark:
        "results/benchmarks/fit_published.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **PUBLISHED_LAWS.params,
    script:
        "../workflow_scripts/fit_published.py"


rule write_claims:
    """Set a verdict on each of the paper's claims beside its estimate, its control and its error rate."""
    input:
        **{
            name: f"results/sentences/{name}.parquet"
            for name in ("trends", "which_layer")
            if JUDGED
        },
        **{
            name: f"results/context/{name}.parquet"
            for name in ("gain", "selection", "distribution")
            if CONTEXT_MODELS
        },
        **{
            name: f"results/training/{name}.parquet"
            for name in ("trajectories", "phases", "pace")
            if AT_STEPS
        },
        **({"alignment": "results/similarity/alignment.parquet"} if "similarity" in PARTS else {}),
        laws="results/scaling/laws.parquet",
        valleys="results/scaling/valleys.parquet",
        published="results/scaling/published.parquet",
        curve="results/theory/curve.parquet",
        recovery="results/theory/recovery.parquet",
    output:
        table=report(
            "results/tables/claims.csv",
            category="Claims",
            labels={"table": "claims, every column"},
        ),
        markdown=report(
            "results/tables/claims.md",
            caption="captions/claims.rst",
            category="Claims",
            labels={"table": "claims and verdicts"},
        ),
        terminal="results/tables/claims.txt",
    log:
        "results/logs/write_claims.log",
    benchmark:
        "results/benchmarks/write_claims.tsv"
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **({"expected_training": PATHS.fingerprint()} if AT_STEPS else {}),
        **({"expected_alignment": SIMILARITIES.fingerprint()} if "similarity" in PARTS else {}),
        alpha=CONFIG["theory"]["alpha"],
        trained=TRAINED_FAMILIES,
        lacking=list(LACKING.values()),
        no_prediction=WHY_NO_CONTEXT,
        corpora=list(LACKING),
        rates=sha256_file(SCRIPTS / "infogeo/claims/error_rates.csv"),
        expected_laws=LAWS.fingerprint(),
        expected_published=PUBLISHED_LAWS.fingerprint(),
        expected_context=CONTEXT.fingerprint(),
        expected_trends=SENTENCES.fingerprint(),
        expected_which_layer=WHICH_LAYER.fingerprint(),
        expected_skills=SKILLS.fingerprint(),
        logic=logic("write_claims"),
    script:
        "../workflow_scripts/write_claims.py"
