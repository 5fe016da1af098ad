"""Fixtures that several test modules share: tiny models in Hugging Face format, and a corpus."""

import gc
from pathlib import Path

import pytest
from tiny import save_model, sentences

UNIT = Path(__file__).parent / "unit"


def pytest_collection_modifyitems(items):
    """Those of unit/states, the longest of units, are the first of them: workers end together.

    `testpaths` cannot say so: where a path holds another, pytest collects both as one.
    """
    items.sort(key=lambda item: UNIT in item.path.parents and item.path.parent.name != "states")


def pytest_collection_finish():
    """What imports have made is never garbage: a search through it takes 0.4 s with PyTorch."""
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A function: architecture -> directory of a tiny random model with its tokenizer.

    Architectures: those of `tiny.tiny_config`. The directory also holds a model.json as
    the workflow writes it, with the fingerprint 'model-fingerprint'. Shared: do not write there.
    """
    made = {}

    def make(architecture: str = "gpt_neox"):
        if architecture not in made:
            made[architecture] = tmp_path_factory.mktemp(architecture)
            save_model(architecture, made[architecture])
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory):
    """A corpus file of 40 texts of 3 to 60 words, with the fingerprint 'corpus-fingerprint'."""
    import pandas as pd

    from infogeo.files.artefacts import write_table

    texts = sentences(40, seed=1)
    frame = pd.DataFrame(
        {
            "doc_id": [f"text-{index}" for index in range(len(texts))],
            "text": texts,
            "label": [f"label-{index % 2}" for index in range(len(texts))],
            "source": [f"module-{index // 4}" for index in range(len(texts))],
        }
    )
    path = tmp_path_factory.mktemp("corpus") / "tiny.parquet"
    write_table(frame, path, "corpus-fingerprint")
    return path
