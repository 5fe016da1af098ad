"""Tiny models that several test modules load."""

import pytest
from tiny import sentences

from infogeo.states import loading
from infogeo.states.tokens import encode, load_tokenizer


@pytest.fixture(scope="session")
def loaded(tiny_model_dir):
    """A function: architecture -> (LanguageModel in float32, texts as tokens)."""
    made = {}

    def load(architecture):
        if architecture not in made:
            directory = tiny_model_dir(architecture)
            model = loading.load_model(directory, dtype="float32", name=architecture)
            tokenizer = load_tokenizer(directory)
            encoded = encode(tokenizer, sentences(24, high=25), 40, 5, "spectra.n")
            made[architecture] = model, encoded
        return made[architecture]

    return load
