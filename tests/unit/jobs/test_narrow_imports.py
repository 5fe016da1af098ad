"""Models without what only compilers and clusters need: less is imported, and nothing is lost."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from infogeo.jobs import narrow_imports


@pytest.fixture
def deferred(tmp_path, monkeypatch):
    """A package whose submodule `compiler` is deferred, and where that has been when it ran."""
    package = tmp_path / "deferred_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "compiler.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    name = "deferred_package.compiler"
    import deferred_package

    deferred_package.compiler = sys.modules[name] = narrow_imports.Deferred(name)
    yield deferred_package
    for module in ("deferred_package", name):
        sys.modules.pop(module, None)


def test_marks_leave_functions_as_they_are_and_import_nothing(deferred):
    def function():
        return 1

    compiler = deferred.compiler
    assert compiler.disable(function) is function
    assert compiler.disable(recursive=False)(function) is function
    assert compiler.allow_in_graph(function) is compiler.assume_constant_result(function)
    assert sys.modules["deferred_package.compiler"] is compiler


def test_who_asks_for_more_than_marks_gets_the_module_itself(deferred):
    placeholder = deferred.compiler
    assert placeholder.answer == 42
    assert deferred.compiler is sys.modules["deferred_package.compiler"] is not placeholder
    assert placeholder.answer == 42  # also to those who hold the placeholder
    with pytest.raises(AttributeError, match="nothing"):
        _ = placeholder.nothing


def test_parts_of_the_module_are_executed_once(deferred, tmp_path, monkeypatch):
    package = tmp_path / "deferred_package/compiler"
    (tmp_path / "deferred_package/compiler.py").unlink()
    package.mkdir()
    (package / "__init__.py").write_text("from deferred_package.compiler.part import Kind\n")
    (package / "part.py").write_text("class Kind: ...\n")
    importlib.invalidate_caches()
    monkeypatch.setattr(narrow_imports, "COMPILER", "deferred_package.compiler")
    import deferred_package
    from deferred_package.compiler.part import Kind

    part = sys.modules.pop("deferred_package.compiler.part")
    assert deferred_package.compiler.Kind is Kind is part.Kind
    assert part.__spec__.origin == str(package / "part.py")


def test_the_module_is_known_before_it_is_imported(deferred):
    assert importlib.util.find_spec("deferred_package.compiler").origin.endswith("compiler.py")
    assert isinstance(sys.modules["deferred_package.compiler"], narrow_imports.Deferred)


def test_a_pytorch_whose_class_is_another_is_left_as_it_is(tmp_path, monkeypatch):
    module = tmp_path / "_dynamo/_trace_wrapped_higher_order_op.py"
    module.parent.mkdir()
    module.write_text("import os\n\nos.of_another_version\n")
    torch = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: torch)
    assert not narrow_imports._has_masks()


PROGRAM = """
import sys
from infogeo.jobs import narrow_imports
if sys.argv[1] == "narrow":
    narrow_imports.narrow()
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
ids = torch.arange(6)[None]
config = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 64}
torch.manual_seed(0)
model = GPTNeoXForCausalLM(GPTNeoXConfig(**config)).eval()
with torch.inference_mode():
    states = model(ids, output_hidden_states=True).hidden_states
heavy = ("torch._dynamo.symbolic_convert", "torch.distributed.tensor", "scipy.optimize")
print([state.sum().item().hex() for state in states])
print(sum(name in sys.modules for name in heavy))
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
"""


@pytest.mark.long
def test_states_are_those_of_a_model_that_was_imported_with_everything():
    states, heavy, compiled = zip(*map(_lines, ("narrow", "everything")), strict=True)
    assert states[0] == states[1]
    assert heavy == ("0", "3")
    assert compiled == ("2.0", "2.0")


PLACES = """
import sys
import torch
from infogeo.jobs import narrow_imports
torch.cuda.is_available = lambda: sys.argv[1] == "GPU"
narrow_imports.narrow()
import transformers.modeling_utils
print("accelerate" in sys.modules)
"""


def test_what_places_models_on_gpus_is_there_where_a_gpu_is():
    assert (_lines("GPU", PLACES), _lines("none", PLACES)) == (["True"], ["False"])


SCANS = """
import builtins, sys
import transformers
from transformers.utils import import_utils
from infogeo.jobs import narrow_imports
if sys.argv[1] == "narrow":
    narrow_imports.narrow()
    narrow_imports.narrow()
opened, real = [], builtins.open
builtins.open = lambda path, *args, **options: opened.append(path) or real(path, *args, **options)
import transformers.models
builtins.open = real
print(len(opened) > 1000)
structure = transformers.models._import_structure
print(sorted((key, sorted(names)) for key, names in structure.items()))
print(transformers.models.gpt_neox.GPTNeoXConfig.__name__)
"""


def test_the_files_of_all_models_are_read_once_and_all_models_are_known():
    (scanned, *narrow), (again, *everything) = (_lines(how, SCANS) for how in ("narrow", "all"))
    assert (scanned, again) == ("False", "True")
    assert narrow == everything
    assert len(narrow[0]) > 10_000


def _lines(how: str, program: str = PROGRAM) -> list[str]:
    command = [sys.executable, "-c", program, how]
    env = os.environ | {"PYTHONPATH": str(Path(narrow_imports.__file__).parents[2])}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return run.stdout.splitlines()
