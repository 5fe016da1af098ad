"""Documents against a schema: types, defaults, and every problem in the words of the user.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

import copy
import difflib
import json
import re
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[3] / "config" / "schemas"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@cache
def read(name: str) -> dict:
    """The JSON schema `config`, `models` or `corpora`. Not to be changed by the caller."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def coerced(value, schema: dict):
    """A copy of `value` in which what YAML 1.1 or a text cell cannot express has its type.

    PyYAML reads 5e10 as text and 1.0e+6 as a float; `--config key=false` arrives as text. A
    relative depth 0.5 may be written with or without quotes. Whatever does not fit is left alone,
    for the schema to refuse.
    """
    for branch in schema.get("anyOf", []):
        value = coerced(value, branch)
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if "object" in kinds:
        if value is None:  # a section whose keys are all commented out
            return {}
        if isinstance(value, dict):
            known = schema.get("properties", {})
            other = schema.get("additionalProperties") or {}
            return {key: coerced(item, known.get(key, other)) for key, item in value.items()}
    if "array" in kinds and isinstance(value, list | tuple):
        return [coerced(item, schema.get("items", {})) for item in value]
    if isinstance(value, bool):
        return value
    if "boolean" in kinds and value in ("true", "false"):
        return value == "true"
    if {"number", "integer"} & set(kinds):
        if isinstance(value, str) and NUMBER.fullmatch(value):
            value = float(value) if re.search("[.eE]", value) else int(value)
        if "integer" in kinds and isinstance(value, float) and value.is_integer():
            value = int(value)
    elif "string" in kinds and isinstance(value, int | float):
        value = f"{value:g}" if isinstance(value, float) else str(value)
    return value


def filled(value, schema: dict):
    """`value` with the schema's defaults for every property that it lacks, at every level."""
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    known = {
        key: filled(copy.deepcopy(value.get(key, inner.get("default"))), inner)
        for key, inner in properties.items()
    }
    other = schema.get("additionalProperties") or {}
    return known | {k: filled(v, other) for k, v in value.items() if k not in properties}


def problems(value, schema: dict) -> list[str]:
    """One line for everything in `value` that the schema refuses, in the order of the document."""
    errors = sorted(
        Draft202012Validator(schema).iter_errors(value), key=lambda e: list(map(str, e.path))
    )
    # As keys of a dict: jsonschema reports each missing key with the list of all that are required.
    return list(dict.fromkeys(line for error in errors for line in _explained(error, schema)))


def _explained(error, root: dict) -> list[str]:
    """A jsonschema error in the words of the user: path, value, what would be right."""
    where = _dotted(error.absolute_path)
    prefix = f"{where}: " if where else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        return [
            f"{_dotted([*error.absolute_path, key])}: unknown key. {suggestion(key, known, root)}"
            for key in error.instance
            if key not in known
        ]
    if error.validator == "required":
        return [
            f"{prefix}{key} is missing. {error.schema['properties'][key]['description']}"
            for key in error.validator_value
            if key not in error.instance
        ]
    if error.parent is None and "propertyNames" in list(error.absolute_schema_path):
        return [
            f"{prefix}the name {error.instance!r} is not a safe file name: letters, digits, dot, "
            "underscore, hyphen; first a letter or digit; no dot at the end"
        ]
    expected = {
        "type": lambda e: f"must be {_kinds(e.validator_value)}",
        "enum": lambda e: _choice(e.instance, e.validator_value),
        "minimum": lambda e: f"must be at least {e.validator_value}",
        "maximum": lambda e: f"must be at most {e.validator_value}",
        "exclusiveMinimum": lambda e: f"must be above {e.validator_value}",
        "exclusiveMaximum": lambda e: f"must be below {e.validator_value}",
        "multipleOf": lambda e: f"must be a multiple of {e.validator_value}",
        "minLength": lambda e: "must not be empty",
        "minItems": lambda e: f"must have at least {e.validator_value} item(s)",
        "maxItems": lambda e: f"must have at most {e.validator_value} items",
        "uniqueItems": lambda e: "must not repeat an item",
        "pattern": lambda e: "does not have the required form",
        "anyOf": lambda e: "is not one of the allowed values",
    }[error.validator](error)
    description = _description(error, root)
    return [f"{prefix}{json.dumps(error.instance, ensure_ascii=False)} {expected}.{description}"]


def _description(error, root: dict) -> str:
    """The description nearest to the place that an error is about."""
    description, place = "", root
    for step in error.absolute_schema_path:
        place = place[step]
        if isinstance(place, dict) and isinstance(place.get("description"), str):
            description = f" ({place['description']})"
    return description


def _dotted(path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _kinds(kinds) -> str:
    names = {
        "object": "a section of keys",
        "array": "a list",
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "null": "empty",
    }
    return " or ".join(names[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _choice(value, allowed) -> str:
    near = difflib.get_close_matches(str(value), [str(a) for a in allowed], n=1)
    hint = f" (perhaps {near[0]}?)" if near else ""
    return f"must be one of {', '.join(json.dumps(a) for a in allowed)}{hint}"


def suggestion(key, known, root: dict) -> str:
    """What an unknown key may have been meant to be: a near name here, or this one elsewhere."""
    near = difflib.get_close_matches(str(key), list(known), n=1)
    if near:
        return f"Did you mean {near[0]}?"
    elsewhere = [path for path in paths(root) if path.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"Did you mean {' or '.join(elsewhere)}?"
    return f"Known here: {', '.join(known)}."


def paths(schema: dict, prefix: str = "") -> list[str]:
    """The dotted path of every key that a schema knows; <name> means a free name."""
    dotted = []
    inner = dict(schema.get("properties", {}))
    if isinstance(schema.get("additionalProperties"), dict):
        inner["<name>"] = schema["additionalProperties"]
    for key, value in inner.items():
        dotted += [f"{prefix}{key}", *paths(value, f"{prefix}{key}.")]
    return dotted
