# Needs: the configuration and whatever is there already. Makes: a table of what the run will cost.


rule plan:
    """Print what every model and corpus will cost, before anything heavy runs."""
    log:
        "results/logs/plan.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        models=list(MODELS.values()),
        corpora=list(CORPORA.values()),
        config=CONFIG,
        results=RESULTS,
        table=f"{RESULTS}/plan.csv",
        expected_models=fingerprints_of_models(),
        expected_corpora=[CORPUS.fingerprint(SimpleNamespace(corpus=corpus)) for corpus in CORPORA],
    script:
        "../workflow_scripts/plan.py"
