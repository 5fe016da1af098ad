"""infogeo: the information in the geometry of language-model representations.

The door for those who have hidden states, or numbers of them, and no workflow. Each name is
imported when it is first used, so that `import infogeo` costs nothing.
"""

from importlib import import_module

__version__ = "0.2.0"

_DOOR = {
    "InfogeoError": "infogeo.files.errors",
    "dimension": "infogeo.door.rows",
    "divergence": "infogeo.door.measure",
    "fit_law": "infogeo.door.law",
    "gains": "infogeo.door.measure",
    "measure": "infogeo.door.measure",
    "open_store": "infogeo.states.store",
    "similarity": "infogeo.door.rows",
}
__all__ = sorted(_DOOR)


def __getattr__(name: str):
    if name not in _DOOR:
        raise AttributeError(f"module 'infogeo' has no attribute {name!r}")
    return getattr(import_module(_DOOR[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
