"""Models from their directories: trained or drawn anew, on the GPUs that have room for them."""

import gc
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open

from infogeo.files.errors import InfogeoError
from infogeo.sources.architecture import auto_class, config_of
from infogeo.sources.model_directory import with_whole_index
from infogeo.states.model import LanguageModel
from infogeo.states.out_of_memory import is_out_of_memory

GPU_SHARE = 0.75  # of the GPUs' free memory, for weights; the rest is for the passes
GPU_MOST = 0.9  # of one of several: blocks stay whole, so that some get more than their part

# Weights load within moments; a bar for them only fills the logs.
transformers.utils.logging.disable_progress_bar()


def load_model(
    directory, *, dtype: str, name: str, kind: str = "causal", trust_remote_code: bool = False
) -> LanguageModel:
    """Load the weights in a directory in Hugging Face format, each once, straight to where it goes.

    That is the GPU where there is one, and all GPUs that are visible where one is too small.

    Raises
    ------
    InfogeoError
        Where the directory, its configuration or its safetensors files are missing, damaged or
        incomplete, or the weights do not fit the GPUs; see `LanguageModel` for kinds.
    """
    try:
        config = config_of(directory, trust_remote_code)
        placed = {}
        if torch.cuda.is_available():
            size = _weight_bytes(directory, getattr(torch, dtype))
            placed = device_map(size, free_memory(), name)
        with with_whole_index(directory) as whole:
            model, report = auto_class(config, kind).from_pretrained(
                str(whole),
                config=config,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                **placed,
            )
    except InfogeoError:
        raise
    except Exception as error:  # transformers and safetensors raise many kinds
        if is_out_of_memory(error):
            raise
        raise InfogeoError(
            f"{directory}: the model cannot be loaded ({type(error).__name__}: {error}). The "
            "directory must hold config.json and whole safetensors files."
        ) from error
    lost = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if kind == "encoder":  # no state depends on its pooler, nor on a head
        prefix = f"{model.base_model_prefix}." if model.base_model is not model else ""
        lost = [key for key in lost if key.startswith(prefix) and ".pooler." not in f".{key}"]
    if lost:
        raise InfogeoError(
            f"{directory}: the weights file lacks {len(lost)} of the model's tensors "
            f"({', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}), which would be random."
        )
    return LanguageModel(model, name, kind)


def _weight_bytes(directory, dtype) -> int:
    """Bytes of the weights in a directory once they are loaded in a dtype."""
    numbers = 0
    for path in Path(directory).glob("model*.safetensors"):
        with safe_open(path, framework="pt") as file:
            numbers += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return numbers * dtype.itemsize


def free_memory() -> list[int]:
    """Free bytes of each GPU that is visible."""
    gc.collect()  # models that nothing uses any more
    torch.cuda.empty_cache()
    return [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]


def device_map(size: int, free: list[int], name: str) -> dict:
    """Options by which transformers puts weights on the first GPU, or else evenly on all.

    Parameters
    ----------
    size : int
        Bytes of the weights.
    free : list of int
        Free bytes of each GPU.
    name : str
        Of the model, for messages.

    Raises
    ------
    InfogeoError
        Where all of them are too small.
    """
    if size <= GPU_SHARE * free[0]:
        return {"device_map": {"": 0}}
    if size <= GPU_SHARE * sum(free):
        most = {gpu: int(GPU_MOST * bytes_) for gpu, bytes_ in enumerate(free)}
        return {"device_map": "balanced", "max_memory": most}
    raise InfogeoError(
        f"model {name!r}: its weights take {size / 1e9:.3g} GB, but {len(free)} GPUs have "
        f"{sum(free) / 1e9:.3g} GB free, of which weights may take {GPU_SHARE:.0%}. Give its jobs "
        "more GPUs or larger ones, or set its dtype to bfloat16 in the models table."
    )


def untrained_model(
    directory,
    *,
    dtype: str,
    name: str,
    seed: int,
    kind: str = "causal",
    trust_remote_code: bool = False,
) -> LanguageModel:
    """The same architecture with random weights, drawn as the architecture itself initialises them.

    The draw is made in float32 on the CPU, so that it depends on the seed alone. PyTorch's own
    generator is left as it was.
    """
    config = config_of(directory, trust_remote_code)
    auto = auto_class(config, kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(config, dtype=torch.float32, trust_remote_code=trust_remote_code)
        if dtype != "float32":
            model = _as_loaded(model, getattr(torch, dtype))
    if torch.cuda.is_available():
        size = sum(weight.nbytes for weight in model.parameters())
        placed = device_map(size, free_memory(), name)
        if "max_memory" in placed:
            return LanguageModel(_spread(model, placed["max_memory"]), name, kind)
    return LanguageModel(model, name, kind)


def _as_loaded(model, dtype: torch.dtype):
    """A model in the dtypes that loading gives: rotary frequencies, gates and such stay float32.

    Raises
    ------
    InfogeoError
        Where transformers' loader does not know all weights of the model again.
    """
    loaded, report = type(model).from_pretrained(
        None,
        config=model.config,
        state_dict=model.state_dict(),
        dtype=dtype,
        output_loading_info=True,
    )
    lost = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if lost:
        raise InfogeoError(
            f"{model.config.name_or_path}: an untrained {type(model).__name__} cannot be had in "
            f"{dtype}: transformers does not load its own {lost[0]} again. Set the dtype of its "
            "row in the models table to float32."
        )
    return loaded


def _spread(model, max_memory: dict):
    """A model over several GPUs, block by block, each of which hands its states to the next."""
    from accelerate import dispatch_model, infer_auto_device_map

    whole = list(model._no_split_modules or ())  # kinds of modules that stay together
    return dispatch_model(model, infer_auto_device_map(model, max_memory, whole))


def twin(directory, draw: int, *, name: str, seed: int, **options) -> LanguageModel:
    """An untrained twin of the model in a directory; for options see `untrained_model`.

    Its seed is drawn such that no two (seed, draw) share their random numbers.
    """
    words = np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)
    return untrained_model(
        directory, name=f"{name}, untrained, draw {draw}", seed=int(words[0]), **options
    )


def twins(card: dict, draws: int, **options):
    """The untrained twins of the model of a card, one after another; for options see `twin`.

    A twin exists until the next is asked for: memory never holds two.
    """
    for draw in range(draws):
        model = twin(card["directory"], draw, name=card["slug"], kind=card["kind"], **options)
        yield model
        model.model.to("meta")  # even if the caller still refers to it
