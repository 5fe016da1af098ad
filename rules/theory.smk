# Needs: nothing for the skills model; the laws and the stored token ids for what is beside it. Makes:
# results/theory/, the model simulated and fitted, and its tables.


SKILLS = recipe(
    "simulate_skills",
    **CONFIG["theory"],
    seed=CONFIG["seed"],
)


rule simulate_skills:
    """Simulate the skills model, and let the code that fits real laws find its known exponents."""
    output:
        curve="results/theory/curve.parquet",
        graph="results/theory/graph.parquet",
        lemma="results/theory/lemma.parquet",
        recovery="results/theory/recovery.parquet",
        table=report(
            "results/tables/skills.csv",
            category="Tables",
            labels={"table": "skills: known exponents recovered"},
        ),
    log:
        "results/logs/simulate_skills.log",
    benchmark:
        "results/benchmarks/simulate_skills.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1500),
    params:
        **SKILLS.params,
    script:
        "../workflow_scripts/simulate_skills.py"


# A family has one tokenizer: the tokens of its first model with stored states are those of all.
FIRST_MODELS = sorted(
    {
        row["family"]: slug
        for slug, row in reversed(MODELS.items())
        if slug not in OF_ROWS_TOGETHER
    }.values()
)


rule compare_theory:
    """Set what the likelihoods of real models and the frequencies of tokens imply beside the theory."""
    input:
        points="results/scaling/points.parquet",
        laws="results/scaling/laws.parquet",
        states=[f"results/hidden_states/{c}/{m}.h5" for c in CORPORA for m in FIRST_MODELS],
        recovery="results/theory/recovery.parquet",
    output:
        table=report(
            "results/tables/theory.csv",
            caption="captions/theory.rst",
            category="Tables",
            labels={"table": "theory beside data"},
        ),
        markdown=report(
            "results/tables/theory.md",
            category="Tables",
            labels={"table": "theory beside data, in words"},
        ),
        terminal="results/tables/theory.txt",
    log:
        "results/logs/compare_theory.log",
    benchmark:
        "results/benchmarks/compare_theory.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("compare_theory"),
        runtime=minutes_over_all("compare_theory"),
    params:
        corpora=[c for c in CORPORA for _ in FIRST_MODELS],
        families=[MODELS[m]["family"] for _ in CORPORA for m in FIRST_MODELS],
        n=CONFIG["headline"]["n"],
        axis=CONFIG["headline"]["axis"],
        draws=CONFIG["scaling"]["draws"],
        seed=CONFIG["seed"],
        expected_laws=LAWS.fingerprint(),
        expected_states=[fingerprint_of_states(pair) for pair in pairs(models=FIRST_MODELS)],
        expected_recovery=SKILLS.fingerprint(),
        logic=logic("compare_theory"),
    script:
        "../workflow_scripts/compare_theory.py"
