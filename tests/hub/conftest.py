"""A hub on loopback, its client, and a repository to put there."""

import pytest
from client import Client
from server import Hub
from tiny import safetensors


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.close()


@pytest.fixture
def client(hub, tmp_path):
    return Client(hub.url(), tmp_path / "home")


@pytest.fixture
def files() -> dict[str, bytes]:
    """A repository of a model, with much that no fetch needs. Its weights are a large file."""
    return {
        "config.json": b'{"model_type": "gpt2", "n_embd": 4}',
        "tokenizer.json": b'{"model": {"vocab": {}}}',
        "tokenizer_config.json": b"{}",
        "model.safetensors": safetensors({"wte.weight": 50_000}),
        "pytorch_model.bin": bytes(5000),
        "README.md": b"# A model",
        "onnx/model.onnx": bytes(3000),
        "modeling_own.py": b"raise RuntimeError",
    }
