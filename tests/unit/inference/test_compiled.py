"""Compiled loops where their result can be kept, and where it cannot."""

import numpy as np
import pytest
from numba.core import caching

from infogeo.inference.compiled import compiled


def doubled(values):
    for i in range(len(values)):
        values[i] *= 2


@pytest.mark.parametrize("kept", [True, False])
def test_a_loop_is_compiled_where_no_folder_can_be_written_too(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(caching.config, "CACHE_DIR", str(tmp_path))
    if not kept:  # neither beside the module nor in the user's cache

        def refuse(self):
            raise OSError("read-only")

        monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    values = np.arange(3.0)
    compiled()(doubled)(values)
    assert values.tolist() == [0, 2, 4]
    assert bool(list(tmp_path.rglob("*.nbc"))) == kept
