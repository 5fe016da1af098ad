# Needs: results/scaling/ and results/context/. Makes: results/figures/{corpus}/, each figure as PDF and as PNG.

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
    "expected": [LAWS.fingerprint()] * 2,
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
        mem_mb=rising(1000),
    params:
        **CAPTION_PARAMS,
        beside=FAMILIES_BESIDE,
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
        mem_mb=rising(1000),
    params:
        **CAPTION_PARAMS,
        beside=FAMILIES_BESIDE,
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
        mem_mb=rising(1000),
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
        mem_mb=rising(1000),
    params:
        **CAPTION_PARAMS,
        metrics=CONFIG["headline"]["metrics"],
        logic=logic("figure_width_pairs"),
    script:
        "../workflow_scripts/figure_width_pairs.py"


# The same for the figures of the context study, which also print how it was made.
CONTEXT_CAPTION_PARAMS = CAPTION_PARAMS | {
    "n": CONTEXT_N,
    "k": CONFIG["context"]["k"],
    "rotations": CONFIG["context"]["rotations"],
    "selection_draws": CONFIG["context"]["random_draws"],
    "ablation_draws": CONFIG["context"]["ablation_draws"],
    "attention_texts": CONFIG["states"]["attention_texts"],
}


rule figure_information_gain:
    """Draw information gain against position, size and surprisal, beside its nulls."""
    input:
        gain="results/context/gain.parquet",
        gain_positions="results/context/gain_positions.parquet",
        gain_checks="results/context/gain_checks.parquet",
        gain_surprisal="results/context/gain_surprisal.parquet",
    output:
        **figure_outputs("information_gain", "information gain"),
    log:
        "results/logs/figure_information_gain/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_information_gain/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONTEXT_CAPTION_PARAMS | {"expected": [CONTEXT.fingerprint()] * 4},
        logic=logic("figure_information_gain"),
    script:
        "../workflow_scripts/figure_information_gain.py"


rule figure_token_selection:
    """Draw how much of the last token the tokens of each selector explain."""
    input:
        selection="results/context/selection.parquet",
    output:
        **figure_outputs("token_selection", "lasso against attention"),
    log:
        "results/logs/figure_token_selection/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_token_selection/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONTEXT_CAPTION_PARAMS | {"expected": [CONTEXT.fingerprint()] * 1},
        logic=logic("figure_token_selection"),
    script:
        "../workflow_scripts/figure_token_selection.py"


rule figure_token_ablation:
    """Draw how much of the prediction comes back with the tokens of each selector."""
    input:
        ablation="results/context/ablation.parquet",
        distribution="results/context/distribution.parquet",
    output:
        **figure_outputs("token_ablation", "token ablation"),
    log:
        "results/logs/figure_token_ablation/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_token_ablation/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONTEXT_CAPTION_PARAMS | {"expected": [CONTEXT.fingerprint()] * 2},
        logic=logic("figure_token_ablation"),
    script:
        "../workflow_scripts/figure_token_ablation.py"


rule figure_layer_prediction:
    """Draw what each layer predicts through the model's own final norm and head."""
    input:
        "results/context/layer_prediction.parquet",
    output:
        **figure_outputs("layer_prediction", "what each layer predicts"),
    log:
        "results/logs/figure_layer_prediction/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_layer_prediction/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONTEXT_CAPTION_PARAMS | {"expected": [CONTEXT.fingerprint()]},
        logic=logic("figure_layer_prediction"),
    script:
        "../workflow_scripts/figure_layer_prediction.py"


rule figure_dimension:
    """Draw intrinsic dimension against depth and scale, beside random rows and untrained twins."""
    input:
        "results/dimension/dimension.parquet",
    output:
        **figure_outputs("intrinsic_dimension", "intrinsic dimension"),
    log:
        "results/logs/figure_dimension/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_dimension/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CAPTION_PARAMS | {"expected": DIMENSIONS.fingerprint()},
        rows=CONFIG["dimension"]["rows"],
        logic=logic("figure_dimension"),
    script:
        "../workflow_scripts/figure_dimension.py"


rule text_view:
    """Write a page in which the tokens of a few texts are coloured by what selectors say of them."""
    input:
        tokens=per_model(
            "results/context/{{corpus}}/{model}.selection_tokens.parquet", VIEWED_MODELS
        ),
        corpus="results/corpora/{corpus}.parquet",
    output:
        report(
            "results/figures/{corpus}/text_view.html",
            caption="captions/text_view.rst",
            category="Pages",
            subcategory="{corpus}",
            labels={"page": "tokens coloured by weight"},
        ),
    log:
        "results/logs/text_view/{corpus}.log",
    benchmark:
        "results/benchmarks/text_view/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONTEXT_CAPTION_PARAMS
        | {
            "expected": lambda w: [
                SELECTION.fingerprint(pair) for pair in pairs([w.corpus], VIEWED_MODELS)
            ]
        },
        models=VIEWED_MODELS,
        view_texts=CONFIG["context"]["view_texts"],
        expected_corpus=lambda w: CORPUS.fingerprint(w),
        logic=logic("text_view"),
    script:
        "../workflow_scripts/text_view.py"


# The same for the figures of the study of sentences.
SENTENCE_CAPTION_PARAMS = CAPTION_PARAMS | {
    key: value for key, value in CONFIG["sentences"].items() if key != "corpora"
}


rule figure_sentence_maps:
    """Draw mean embeddings of texts in two dimensions, by PCA and by UMAP."""
    input:
        maps="results/sentences/{corpus}/maps.parquet",
        scores="results/sentences/scores.parquet",
    output:
        **figure_outputs("sentence_maps", "maps of texts"),
    log:
        "results/logs/figure_sentence_maps/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_sentence_maps/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SENTENCE_CAPTION_PARAMS
        | {"expected": lambda w: [MAPS.fingerprint(w), SENTENCES.fingerprint()]},
        logic=logic("figure_sentence_maps"),
    script:
        "../workflow_scripts/figure_sentence_maps.py"


rule figure_sentence_distances:
    """Draw ordered distances between texts, and how well each distance separates labels."""
    input:
        scores="results/sentences/scores.parquet",
        sentences=per_model("results/sentences/{{corpus}}/{model}.h5", STUDIED["sentences"]),
    output:
        **figure_outputs("sentence_distances", "distances between texts"),
    log:
        "results/logs/figure_sentence_distances/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_sentence_distances/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SENTENCE_CAPTION_PARAMS
        | {
            "expected": lambda w: [
                GEOMETRY.fingerprint(pair) for pair in pairs([w.corpus], STUDIED["sentences"])
            ]
        },
        models=STUDIED["sentences"],
        expected_scores=SENTENCES.fingerprint(),
        logic=logic("figure_sentence_distances"),
    script:
        "../workflow_scripts/figure_sentence_distances.py"


rule figure_which_layer:
    """Draw the label AUC of every layer beside measures without labels, and how these go with it."""
    input:
        layers="results/sentences/layers.parquet",
        measures="results/sentences/which_layer.parquet",
        profiles="results/scaling/profiles.parquet",
    output:
        **figure_outputs("which_layer", "which layer separates labels"),
    log:
        "results/logs/figure_which_layer/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_which_layer/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SENTENCE_CAPTION_PARAMS
        | {"expected": [*[WHICH_LAYER.fingerprint()] * 2, LAWS.fingerprint()]},
        n_of_measures=WHICH_LAYER.params["n"],
        logic=logic("figure_which_layer"),
    script:
        "../workflow_scripts/figure_which_layer.py"


rule sentence_view:
    """Write a page of the maps: texts on hover, model and depth to choose."""
    input:
        maps="results/sentences/{corpus}/maps.parquet",
        corpus="results/corpora/{corpus}.parquet",
    output:
        report(
            "results/figures/{corpus}/sentence_view.html",
            caption="captions/sentence_view.rst",
            category="Pages",
            subcategory="{corpus}",
            labels={"page": "maps of texts"},
        ),
    log:
        "results/logs/sentence_view/{corpus}.log",
    benchmark:
        "results/benchmarks/sentence_view/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **{
            key: SENTENCE_CAPTION_PARAMS[key]
            for key in ("n", "depths", "texts_per_label", "umap_neighbours", "seed")
        },
        expected_maps=lambda w: MAPS.fingerprint(w),
        expected_corpus=lambda w: CORPUS.fingerprint(w),
        logic=logic("sentence_view"),
    script:
        "../workflow_scripts/sentence_view.py"


rule figure_skills:
    """Draw the skills model: texts and skills, conditional entropy, known exponents recovered."""
    input:
        graph="results/theory/graph.parquet",
        curve="results/theory/curve.parquet",
        recovery="results/theory/recovery.parquet",
    output:
        pdf="results/figures/skills.pdf",
        png=report(
            "results/figures/skills.png",
            caption="captions/skills.rst",
            category="Figures",
            subcategory="theory",
            labels={"figure": "skills and conditional entropy"},
        ),
    log:
        "results/logs/figure_skills.log",
    benchmark:
        "results/benchmarks/figure_skills.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **CONFIG["theory"],
        seed=CONFIG["seed"],
        expected=[SKILLS.fingerprint()] * 3,
        logic=logic("figure_skills"),
    script:
        "../workflow_scripts/figure_skills.py"
