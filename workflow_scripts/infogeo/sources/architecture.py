"""What transformers makes of a model directory: class, sizes, and the tensors that it loads.

The model is built on PyTorch's meta device, as shapes without numbers: a second, whatever its size.
"""

import re
from collections import Counter
from pathlib import Path

from infogeo.jobs import narrow_imports
from infogeo.files.errors import InfogeoError
from infogeo.sources.model_directory import is_own_code, read_json
from infogeo.sources.parameters import FLOAT32_STREAM, Architecture
from infogeo.sources.tensor_files import tensor_hash

NAMED = 4  # lists of modules that a message names


def judge(directory, kind: str, trust_remote_code: bool = False) -> None:
    """Refuse a model by its configuration and tokenizer alone, before its weights are fetched.

    Raises
    ------
    InfogeoError
        As `blank`, unless it runs by code of its own; where its tokenizer.json cannot be read.
    """
    check_tokenizer(directory)
    if not (trust_remote_code and is_own_code(read_json(Path(directory, "config.json")))):
        blank(directory, kind)


def check_tokenizer(directory) -> None:
    """See that tokenizer.json, where there is one, is of a form that tokenizers knows.

    Raises
    ------
    InfogeoError
        Naming the file, the version here, and what it does not know.
    """
    import tokenizers

    path = Path(directory, "tokenizer.json")
    if not path.exists():
        return
    try:
        tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # its only kind
        content = read_json(path)
        types = ", ".join(
            f"{part} {content[part]['type']}"
            for part in ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder")
            if isinstance(content.get(part), dict) and "type" in content[part]
        )
        raise InfogeoError(
            f"{path}: tokenizers {tokenizers.__version__} cannot read it ({_one_line(error)}; it "
            f"has {types or 'no known part'}). It may be of a newer version of tokenizers, or "
            "damaged: save the tokenizer with the version here, or copy the file anew."
        ) from error


def config_of(directory, trust_remote_code: bool = False):
    """The configuration of a model, as it is run here.

    What a publisher saved about outputs and kernels does not count: `return_dict` and
    `attn_implementation` are those of the machine that saved the file, and change no number.

    Raises
    ------
    InfogeoError
        Where transformers cannot read it, or the model is an encoder–decoder.
    """
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=trust_remote_code
        )
        parts = {id(part): part for part in (config, config.get_text_config())}
    except Exception as error:  # transformers and the checks of its configurations raise many kinds
        raise InfogeoError(
            f"{directory}/config.json: transformers {transformers.__version__} cannot read it "
            f"({_one_line(error)}). Install a transformers that knows its type, or "
            "copy the file anew if it is damaged."
        ) from error
    for part in parts.values():
        part.return_dict = True
        part._attn_implementation = None
    return config


def auto_class(config, kind: str):
    """The class of transformers by which a model of a kind is built and loaded.

    Parameters
    ----------
    config : PretrainedConfig
    kind : {'causal', 'encoder'}

    Returns
    -------
    class
        AutoModelForCausalLM; AutoModel for an encoder that has no causal head.
    """
    import transformers

    narrow_imports.narrow()
    causal = type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    if kind == "encoder" and not causal:
        return transformers.AutoModel
    return transformers.AutoModelForCausalLM


def blank(directory, kind: str):
    """The model that a directory is loaded as, without numbers.

    Raises
    ------
    InfogeoError
        As `config_of`; where transformers has no such model of that kind, or cannot build it.
    """
    import torch
    import transformers

    config = config_of(directory)
    place = f"{directory}/config.json: {type(config).__name__}"
    if config.is_encoder_decoder:
        raise InfogeoError(
            f"{place} is an encoder–decoder: its states depend on a second text, and it has no "
            "likelihood of one alone. It cannot be measured."
        )
    auto = auto_class(config, kind)
    if auto is transformers.AutoModelForCausalLM and (
        type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    ):
        raise InfogeoError(f"{place}: {_no_causal_model(config)}")
    try:
        with torch.device("meta"):
            model = auto.from_config(config)
    except Exception as error:
        raise InfogeoError(
            f"{place}: transformers {transformers.__version__} cannot build this model "
            f"({_one_line(error)}). Correct config.json, or install what it asks for."
        ) from error
    layers = _sizes(directory, config)["layers"]
    lengths = {
        name: len(part)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.ModuleList)
    }
    if layers not in lengths.values():
        lists = ", ".join(f"{name} ({length})" for name, length in list(lengths.items())[:NAMED])
        raise InfogeoError(
            f"{place} says num_hidden_layers = {layers}, but no list of modules is so long "
            f"({lists or 'there is none'}): blocks run several times, or hold several layers. Its "
            "residual stream cannot be read block by block."
        )
    return model


def _no_causal_model(config) -> str:
    """Why a configuration has no causal model, and what to do."""
    import transformers

    text = config.get_text_config()
    if text is not config:
        return (
            "transformers has no causal language model of this type, which also sees or hears. "
            f"Save its language model ({type(text).__name__}) alone, with save_pretrained(), and "
            "use source `local`."
        )
    if type(config) in transformers.MODEL_MAPPING:
        return (
            "transformers has no causal language model of this type. If its states depend on "
            "all tokens of a text, set `kind` to encoder in its row."
        )
    return "transformers has no language model of this type. Give a language model's directory."


def of_directory(directory, tensors: dict, kind: str = "causal") -> Architecture:
    """The sizes of a model, and the part that each stored tensor has in it.

    Names are followed as transformers' loader follows them: prefixes, older names, weights of
    experts that are stored one by one.

    Parameters
    ----------
    directory : path
        config.json of a type that transformers has itself.
    tensors : dict
        From `model_directory.validate_directory`.
    kind : {'causal', 'encoder'}

    Raises
    ------
    InfogeoError
        As `blank`; where a tensor has another shape than config.json says.

    Notes
    -----
    Verified against the report of transformers' loader, and the parameters of loaded models.
    """
    model = blank(directory, kind)
    every = dict(model.named_parameters(remove_duplicate=False))
    parameters = every if kind == "causal" else _of_states(model, every)
    state = model.state_dict()
    target, converted = _targets(model, state, tensors)
    plain = {
        name: key for name, key in target.items() if key in parameters and name not in converted
    }
    misfits = [
        f"{name} is {list(tensors[name][2])}, by config.json {list(parameters[key].shape)}"
        for name, key in plain.items()
        if tensors[name][2] != tuple(parameters[key].shape)
    ]
    if misfits:
        raise InfogeoError(
            f"{directory}: {len(misfits)} tensors have another shape than config.json says: "
            f"{misfits[0]}. Config and weights are of different models: copy both from one."
        )
    head = model.get_output_embeddings() if kind == "causal" else None
    if not converted:  # else a stored tensor may become several
        _require_all(directory, model, parameters, plain, head)
    modules = {id(module): name for name, module in model.named_modules()}
    embedding = model.get_input_embeddings()

    def stored(module, kind: str) -> list[str]:
        """The stored names of a module's weight or bias."""
        return [name for name, key in plain.items() if key == f"{modules.get(id(module))}.{kind}"]

    # A weight that is tied may be stored under another of its names alone.
    others = [name for name, key in plain.items() if parameters[key] is embedding.weight]
    inputs = stored(embedding, "weight") or others[:1]
    heads = [name for name in stored(head, "weight") if name not in inputs]
    is_tied = head is not None and head.weight is embedding.weight
    return Architecture(
        **_sizes(directory, model.config),
        vocabulary=embedding.weight.shape[0],
        inputs=inputs,
        heads=heads,
        biases=stored(head, "bias"),
        surplus=[
            name
            for name, key in target.items()
            if key not in state or (key in every and key not in parameters)
        ],
        buffers=[name for name, key in target.items() if key in state and key not in every],
        copies=_copies(Path(directory), tensors, plain, parameters, {*inputs, *heads}),
        lacks_head=head is not None and not is_tied and not heads,
        float32_stream=bool(getattr(model.config.get_text_config(), FLOAT32_STREAM, False)),
    )


def _of_states(model, parameters: dict) -> dict:
    """The parameters of an encoder on which its states depend, under each of their names.

    These are all but those of pooler and head.
    """
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    own = {
        id(weight)
        for key, weight in parameters.items()
        if key.startswith(prefix) and ".pooler." not in f".{key}"
    }
    return {key: weight for key, weight in parameters.items() if id(weight) in own}


def _require_all(directory, model, parameters: dict, plain: dict, head) -> None:
    """See that each parameter is stored, except the output head, of which others speak."""
    stored = {id(parameters[key]) for key in plain.values()}
    stored.update(id(weight) for weight in (() if head is None else head.parameters()))
    forgivable = model._keys_to_ignore_on_load_missing or ()
    lost = [
        key
        for key, weight in parameters.items()
        if id(weight) not in stored and not any(re.search(form, key) for form in forgivable)
    ]
    if lost:
        raise InfogeoError(
            f"{directory}: the weights lack {len(lost)} of the tensors of {type(model).__name__} "
            f"({', '.join(lost[:3])}{', …' if len(lost) > 3 else ''}), which would be random. Copy "
            "or download the model anew, or save the whole model with save_pretrained()."
        )


def _targets(model, state: dict, names) -> tuple[dict[str, str], set[str]]:
    """The tensor of the model that each stored one becomes, and which are converted on the way."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import (
        WeightConverter,
        WeightRenaming,
        rename_source_key,
    )

    steps = get_model_conversion_mapping(model)
    renamings = [step for step in steps if isinstance(step, WeightRenaming)]
    converters = [step for step in steps if isinstance(step, WeightConverter)]
    target, converted = {}, set()
    for name in names:
        key, pattern = rename_source_key(
            name, renamings, converters, model.base_model_prefix, state
        )
        if key not in state and name in state:
            key, pattern = rename_source_key(name, [], [], model.base_model_prefix, state)
        target[name] = key
        if pattern is not None:
            converted.add(name)
    return target, converted


def _copies(directory: Path, tensors: dict, plain: dict, parameters: dict, apart: set) -> list[str]:
    """Tensors stored again under a second name of one parameter; `apart` are judged elsewhere."""
    seen, copies = set(), []
    times = Counter(id(parameters[key]) for key in plain.values())
    for name in sorted(plain, key=lambda name: name not in apart):
        parameter = id(parameters[plain[name]])
        if times[parameter] > 1:
            content = parameter, tensor_hash(directory, tensors[name])
            if content in seen and name not in apart:
                copies.append(name)
            seen.add(content)
    return copies


def _sizes(directory, config) -> dict:
    config = config.get_text_config()
    try:
        return {"width": config.hidden_size, "layers": config.num_hidden_layers}
    except AttributeError as error:
        raise InfogeoError(
            f"{directory}/config.json: {type(config).__name__} has no width and number of blocks "
            f"that hold for all of its tokens ({error}). It cannot be measured."
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
