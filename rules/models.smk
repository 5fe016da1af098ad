# Needs: a row of the models table, and for a ladder its corpus. Makes: results/models/{model}/model.json, the
# marker that a model is there, whole and described.
LADDER = recipe(
    "prepare_ladder",
    "ladder",
    vocabulary=lambda w: LADDERS[w.ladder]["vocabulary"],
    context=lambda w: LADDERS[w.ladder]["context"],
    tokens=lambda w: LADDERS[w.ladder]["tokens"],
    seed=CONFIG["seed"],
    expected=lambda w: [CORPUS.fingerprint(SimpleNamespace(corpus=LADDERS[w.ladder]["corpus"]))],
)


rule prepare_ladder:
    """Train a ladder's tokenizer and lay out its training tokens, once for all of its models."""
    input:
        train=lambda w: f"results/corpora/{LADDERS[w.ladder]['corpus']}.train.parquet",
        evaluation=lambda w: f"results/corpora/{LADDERS[w.ladder]['corpus']}.parquet",
    output:
        prepared="results/ladders/{ladder}/prepared.json",
        tokenizer="results/ladders/{ladder}/tokenizer.json",
        tokenizer_config="results/ladders/{ladder}/tokenizer_config.json",
        train="results/ladders/{ladder}/train.npy",
        heldout="results/ladders/{ladder}/heldout.npy",
    log:
        "results/logs/prepare_ladder/{ladder}.log",
    benchmark:
        "results/benchmarks/prepare_ladder/{ladder}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1500),
    params:
        **LADDER.params,
    script:
        "../workflow_scripts/prepare_ladder.py"


TRAINED = recipe(
    "train_ladder",
    "model",
    where=lambda w: MODELS[w.model]["where"],
    width=lambda w: member(w.model)["width"],
    depth=lambda w: member(w.model)["depth"],
    seed=lambda w: member(w.model)["seed"],
    batch=lambda w: ladder_of(w.model)["batch"],
    tokens=lambda w: ladder_of(w.model)["tokens"],
    learning_rate=lambda w: ladder_of(w.model)["learning_rate"],
    beta2=lambda w: ladder_of(w.model)["beta2"],
    init_std=lambda w: ladder_of(w.model)["init_std"],
    head_width=lambda w: ladder_of(w.model)["head_width"],
    checkpoints=lambda w: ladder_members.checkpoints(ladder_of(w.model)),
    expected=lambda w: [LADDER.fingerprint(SimpleNamespace(ladder=member(w.model)["ladder"]))],
)


rule train_ladder:
    """Train one model of a ladder and save it as a Hugging Face directory."""
    input:
        prepared=lambda w: f"results/ladders/{member(w.model)['ladder']}/prepared.json",
    output:
        model="results/models/{model}/model.json",
        config="results/models/{model}/config.json",
        weights="results/models/{model}/model.safetensors",
        tokenizer="results/models/{model}/tokenizer.json",
        tokenizer_config="results/models/{model}/tokenizer_config.json",
        curve="results/models/{model}/training.csv",
        checkpoints="results/models/{model}/checkpoints.safetensors",
    log:
        "results/logs/train_ladder/{model}.log",
    benchmark:
        "results/benchmarks/train_ladder/{model}.tsv"
    wildcard_constraints:
        model=one_of(LADDER_MODELS),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("train_ladder"),
        runtime=minutes("train_ladder"),
    params:
        **TRAINED.params,
    script:
        "../workflow_scripts/train_ladder.py"


TAKEN = recipe(
    "take_checkpoint",
    "model",
    step=lambda w: MODELS[w.model]["step"],
    train_tokens=lambda w: MODELS[w.model]["train_tokens"],
    expected=lambda w: TRAINED.fingerprint(SimpleNamespace(model=MODELS[w.model]["checkpoint_of"])),
)


rule take_checkpoint:
    """Describe a ladder model at one step of its training, from the weights that the training has kept."""
    input:
        end=lambda w: f"results/models/{MODELS[w.model]['checkpoint_of']}/model.json",
        weights=lambda w: f"results/models/{MODELS[w.model]['checkpoint_of']}/checkpoints.safetensors",
    output:
        model="results/models/{model}/model.json",
        config="results/models/{model}/config.json",
        weights="results/models/{model}/model.safetensors",
        tokenizer="results/models/{model}/tokenizer.json",
        tokenizer_config="results/models/{model}/tokenizer_config.json",
    log:
        "results/logs/take_checkpoint/{model}.log",
    benchmark:
        "results/benchmarks/take_checkpoint/{model}.tsv"
    wildcard_constraints:
        model=one_of(CHECKPOINTS),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **TAKEN.params,
    script:
        "../workflow_scripts/take_checkpoint.py"


SINK = recipe(
    "plant_sink",
    "model",
    where=lambda w: MODELS[w.model]["where"],
    expected=lambda w: TRAINED.fingerprint(SimpleNamespace(model=MODELS[w.model]["variant_of"])),
)


rule plant_sink:
    """Write a trained ladder model anew, with a first token of massive states: an attention sink."""
    input:
        trained=lambda w: f"results/models/{MODELS[w.model]['variant_of']}/model.json",
        weights=lambda w: f"results/models/{MODELS[w.model]['variant_of']}/model.safetensors",
    output:
        model="results/models/{model}/model.json",
        config="results/models/{model}/config.json",
        weights="results/models/{model}/model.safetensors",
        tokenizer="results/models/{model}/tokenizer.json",
        tokenizer_config="results/models/{model}/tokenizer_config.json",
    log:
        "results/logs/plant_sink/{model}.log",
    benchmark:
        "results/benchmarks/plant_sink/{model}.tsv"
    wildcard_constraints:
        model=one_of(PLANTED),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SINK.params,
    script:
        "../workflow_scripts/plant_sink.py"


LOCAL = recipe(
    "fetch_model",
    "model",
    where=lambda w: MODELS[w.model]["where"],
    unnamed=lambda w: watched.states_of_others(watched.files_of_model(MODELS[w.model])),
    revision=lambda w: MODELS[w.model]["revision"],
    kind=lambda w: MODELS[w.model]["kind"],
    params=lambda w: MODELS[w.model]["params"],
    params_non_embedding=lambda w: MODELS[w.model]["params_non_embedding"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
)


rule fetch_model:
    """Check a model's directory, count its parameters, and describe it in model.json."""
    input:
        files=local_files,
    output:
        "results/models/{model}/model.json",
    log:
        "results/logs/fetch_model/{model}.log",
    benchmark:
        "results/benchmarks/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(LOCAL_MODELS),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **LOCAL.params,
    script:
        "../workflow_scripts/fetch_model.py"


DESCRIBED = recipe(
    "describe_states",
    "model",
    where=lambda w: MODELS[w.model]["where"],
    revision=lambda w: MODELS[w.model]["revision"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    corpora=list(CORPORA),
)


rule describe_states:
    """Describe a model whose states another engine made in model.json, from what states.json says."""
    input:
        files=given_files,
    output:
        "results/models/{model}/model.json",
    log:
        "results/logs/describe_states/{model}.log",
    benchmark:
        "results/benchmarks/describe_states/{model}.tsv"
    wildcard_constraints:
        model=one_of(GIVEN_STATES),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(500),
    params:
        **DESCRIBED.params,
    script:
        "../workflow_scripts/describe_states.py"


DOWNLOADED = recipe(
    "download_model",
    "model",
    where=lambda w: MODELS[w.model]["where"],
    revision=lambda w: MODELS[w.model]["revision"],
    kind=lambda w: MODELS[w.model]["kind"],
    params=lambda w: MODELS[w.model]["params"],
    params_non_embedding=lambda w: MODELS[w.model]["params_non_embedding"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
)


rule download_model:
    """Download a model from the hub, check every byte, count its parameters, and describe it in model.json."""
    output:
        "results/models/{model}/model.json",
    log:
        "results/logs/download_model/{model}.log",
    benchmark:
        "results/benchmarks/download_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(HUB_MODELS),
    priority: 3  # all are described and compared before those of removed weights are run
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
        downloads=1,
        checkpoints_at_once=checkpoints_at_once,
    params:
        **DOWNLOADED.params,
    script:
        "../workflow_scripts/download_model.py"


rule compare_weights:
    """Stop where two models have the same weights, or a run has two shapes; write which weights each has."""
    input:
        models=per_model("results/models/{model}/model.json"),
    output:
        "results/tables/weights.csv",
    log:
        "results/logs/compare_weights.log",
    benchmark:
        "results/benchmarks/compare_weights.tsv"
    priority: 100  # before models are run
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(500),
    params:
        models=list(MODELS),
        same_as=[row["same_as"] for row in MODELS.values()],
        architectures=[row["architecture"] for row in MODELS.values()],
        logic=logic("compare_weights"),
    script:
        "../workflow_scripts/compare_weights.py"
