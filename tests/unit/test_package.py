"""The package that `pip install .` makes: whole, and light to import."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import infogeo

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow_scripts/infogeo"

HEAVY = {"torch", "transformers", "pandas", "numpy", "scipy", "h5py", "matplotlib"}
REPORT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import infogeo
print(json.dumps([infogeo.__file__, sorted(sys.modules), infogeo.__version__]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(LIBRARY, folder / "workflow_scripts/infogeo")
    code = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_whole_library_and_nothing_else_of_the_repository(wheel):
    with zipfile.ZipFile(wheel) as file:
        inside = {name for name in file.namelist() if ".dist-info/" not in name}
        assert inside == {
            f"infogeo/{path.relative_to(LIBRARY).as_posix()}"
            for path in LIBRARY.rglob("*.*")
            if path.parent.name != "__pycache__"  # of Python, and of compiled loops
        }
        metadata = next(name for name in file.namelist() if name.endswith("/METADATA"))
        lines = file.read(metadata).decode().splitlines()
    required = [line.split(": ")[1] for line in lines if line.startswith("Requires-Dist")]
    needed = [line for line in required if "extra ==" not in line]
    assert [line.split(">=")[0] for line in needed] == [
        "numpy", "scipy", "h5py", "pandas", "pyarrow", "statsmodels", "threadpoolctl",
    ]  # fmt: skip
    assert f"Version: {infogeo.__version__}" in lines


def test_importing_the_package_imports_nothing_heavy(wheel):
    run = [sys.executable, "-I", "-c", REPORT, wheel]
    place, modules, version = json.loads(subprocess.check_output(run))
    assert place.startswith(str(wheel))
    assert not HEAVY & set(modules)
    assert version == infogeo.__version__


@pytest.mark.parametrize("name", infogeo.__all__)
def test_each_name_of_the_door_leads_to_something_documented(name):
    assert getattr(infogeo, name).__doc__
    assert name in dir(infogeo)


def test_a_name_that_is_not_there_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="no attribute 'metrics'"):
        infogeo.metrics  # noqa: B018


def test_the_citation_names_the_version_of_the_package():
    assert f"version: {infogeo.__version__}\n" in (ROOT / "CITATION.cff").read_text()
