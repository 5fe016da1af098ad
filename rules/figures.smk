# Needs: results/scaling/. Makes: results/figures/{corpus}/, each figure as PDF and as PNG.

# What the captions print, the same for all: the parameters that were really used.
CAPTION_PARAMS = {
    "n": CONFIG["headline"]["n"],
    "eps2": CONFIG["headline"]["eps2"],
    "depth": CONFIG["headline"]["depth"],
    "axis": CONFIG["headline"]["axis"],
    "draws": CONFIG["scaling"]["draws"],
    "untrained_draws": CONFIG["controls"]["untrained_draws"],
    "random_draws": CONFIG["controls"]["random_draws"],
    "seed": CONFIG["seed"],
    "texts": lambda w: CORPORA[w.corpus]["texts"],
    "expected": [laws_fingerprint()] * 2,
}


rule figure_entropy:
    """Draw entropies against N with fits, bands and every control."""
    input:
        laws="results/scaling/laws.parquet",
        points="results/scaling/points.parquet",
    output:
        **figure_outputs("entropy_scaling", "entropy against model size"),
    log:
        "results/logs/figure_entropy/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_entropy/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **CAPTION_PARAMS,
        logic=logic("figure_entropy"),
    script:
        "../workflow_scripts/figure_entropy.py"


rule figure_conditional_entropy:
    """Draw the negative log-likelihood against N."""
    input:
        laws="results/scaling/laws.parquet",
        points="results/scaling/points.parquet",
    output:
        **figure_outputs("conditional_entropy", "negative log-likelihood against model size"),
    log:
        "results/logs/figure_conditional_entropy/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_conditional_entropy/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **CAPTION_PARAMS,
        logic=logic("figure_conditional_entropy"),
    script:
        "../workflow_scripts/figure_conditional_entropy.py"


rule figure_depth:
    """Draw entropies and exponents against relative depth."""
    input:
        laws="results/scaling/laws.parquet",
        profiles="results/scaling/profiles.parquet",
    output:
        **figure_outputs("depth", "entropy against depth"),
    log:
        "results/logs/figure_depth/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_depth/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **CAPTION_PARAMS,
        logic=logic("figure_depth"),
    script:
        "../workflow_scripts/figure_depth.py"


rule figure_width_pairs:
    """Draw models of one width and different depth side by side."""
    input:
        laws="results/scaling/laws.parquet",
        pairs="results/scaling/pairs.parquet",
    output:
        **figure_outputs("width_pairs", "models of one width"),
    log:
        "results/logs/figure_width_pairs/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_width_pairs/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **CAPTION_PARAMS,
        metrics=CONFIG["headline"]["metrics"],
        logic=logic("figure_width_pairs"),
    script:
        "../workflow_scripts/figure_width_pairs.py"
