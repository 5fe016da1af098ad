"""What the tests of this folder ask of a download."""

import hashlib
from pathlib import Path

NEEDED = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def assert_whole(found: dict, files: dict, commit: str, names=NEEDED) -> None:
    """The call gave exactly these files, and they are those of the repository."""
    assert found.get("commit") == commit, found
    assert found["facts"] == {
        name: {"bytes": len(files[name]), "sha256": sha256(files[name])} for name in names
    }
    for name in names:
        assert Path(found["folder"], name).read_bytes() == files[name]


def downloaded(hub) -> list[str]:
    """Paths of the files that were asked for with GET, storage included, in order."""
    return [
        path
        for _, method, path, _ in hub.requests
        if method == "GET" and not path.startswith("/api/")
    ]
