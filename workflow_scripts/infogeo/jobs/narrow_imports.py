"""transformers without what only training on clusters and compiled models need.

Models import the compiler, tensors over several machines, and scipy. No number here depends on
them, and they take a third of the start of each job that runs a model.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

COMPILER = "torch._dynamo"
# transformers imports this one class from it, which needs nothing else of the compiler.
MASKS = f"{COMPILER}._trace_wrapped_higher_order_op"
# Decorators that tell it what not to compile; without a compiler they say nothing.
MARKS = ("disable", "allow_in_graph", "assume_constant_result")
# What is left out where transformers may have it, by its own question whether it may.
NOT_ASKED_FOR = ("is_scipy_available", "is_sklearn_available", "is_torch_distributed_available")
SCAN = "create_import_structure_from_path"
PLACING = "is_accelerate_available"  # which puts models on GPUs


class Deferred(ModuleType):
    """Takes the place of a submodule until something other than the marks is asked of it."""

    def __init__(self, name: str):
        super().__init__(name)
        package = sys.modules[name.rpartition(".")[0]]
        self.__spec__ = importlib.machinery.PathFinder.find_spec(name, package.__path__)
        if not any(isinstance(finder, Once) for finder in sys.meta_path):
            sys.meta_path.insert(0, Once())

    def __getattr__(self, name: str):
        if name in MARKS:
            return _unmarked
        if name in ("__file__", "__wrapped__"):  # asked of every module by `inspect`
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            package, _, module = self.__name__.rpartition(".")
            sys.modules.pop(self.__name__, None)
            vars(sys.modules[package]).pop(module, None)
        return getattr(importlib.import_module(self.__name__), name)


class Once:
    """Finds parts of a deferred package that it has imported itself, lest there be two of each.

    An import of `package.part` asks the placeholder for its path. Then the package is imported, and
    may import that part; afterwards Python would execute the part again.
    """

    def find_spec(self, name: str, path=None, target=None):
        if path is None or name.rpartition(".")[0] != COMPILER or name not in sys.modules:
            return None
        return importlib.machinery.ModuleSpec(name, self, loader_state=sys.modules[name].__spec__)

    def create_module(self, spec):
        return sys.modules[spec.name]

    def exec_module(self, module) -> None:
        if module.__spec__.loader is self:  # modules of settings take no other one
            module.__spec__ = module.__spec__.loader_state


def _unmarked(function=None, *_, **__):
    """A decorator, with or without arguments, that leaves functions as they are."""
    return function if callable(function) else lambda decorated: decorated


def narrow() -> None:
    """Let transformers import models without the modules that nothing here uses.

    Call it before a tokenizer or a model is loaded. A module that was imported already stays, and a
    model whose own code asks for the compiler gets it.

    Notes
    -----
    Verified against models that were imported with everything: equal states, and a compiled
    function that returns what the function returns.
    """
    import torch
    from transformers import utils
    from transformers.utils import import_utils

    for name in (*NOT_ASKED_FOR, *[PLACING] * (not torch.cuda.is_available())):
        for module in (utils, import_utils):
            if hasattr(module, name):
                setattr(module, name, lambda *_, **__: False)
    _scan_once(import_utils)
    if COMPILER not in sys.modules and _has_masks():
        torch._dynamo = sys.modules[COMPILER] = Deferred(COMPILER)


def _scan_once(import_utils) -> None:
    """Let `transformers.models` take what the package itself has read from the files of all models.

    Each of them opens all 1,700 of these when it is imported.
    """
    scan = getattr(import_utils, SCAN, None)
    if not hasattr(scan, "cache_info"):  # ours, or that of another version
        return
    models = Path(import_utils.__file__).parents[1] / "models"

    def scan_once(place):
        return scan(models if place == str(models / "__init__.py") else place)

    setattr(import_utils, SCAN, scan_once)


def _has_masks() -> bool:
    """Import the module of the one class that is needed, without the package around it."""
    package = importlib.util.find_spec("torch").submodule_search_locations[0]
    path = f"{package}/_dynamo/{MASKS.rpartition('.')[2]}.py"
    spec = importlib.util.spec_from_file_location(MASKS, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:  # another version of PyTorch, with the class elsewhere or another one
        return False
    if COMPILER in sys.modules:  # it has imported the compiler itself
        return False
    sys.modules[MASKS] = module
    return True
