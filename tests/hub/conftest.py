"""A hub on loopback, its client, and a repository to put there."""

import json

import pytest
from client import Client
from server import Hub


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.close()


@pytest.fixture
def client(hub, tmp_path):
    return Client(hub.url(), tmp_path / "home")


def safetensors(tensors: dict[str, int]) -> bytes:
    """A file of zeros: name -> float32 values."""
    header, end = {}, 0
    for name, count in tensors.items():
        place = [end, end + 4 * count]
        header[name] = {"dtype": "F32", "shape": [count], "data_offsets": place}
        end = place[1]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


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
