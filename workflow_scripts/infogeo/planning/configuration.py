"""The configuration and the two tables: read, checked with all problems at once, completed.

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

from infogeo.files.errors import InfogeoError
from infogeo.sources.models import validate_directory

SCHEMAS = Path(__file__).parents[3] / "config" / "schemas"

# Names in results/ that a slug would collide with: {corpus}.train.parquet, {model}.untrained.h5.
RESERVED_SUFFIXES = {"models": ".untrained", "corpora": ".train"}
# Metrics that describe the text rather than its hidden states, and so have no convention.
TEXT_METRICS = ("nll", "bits_per_byte", "predictive_entropy")
MEMBER = re.compile(
    r"(?P<ladder>[^/]+)/w(?P<width>[1-9]\d*)-d(?P<depth>[1-9]\d*)-s(?P<seed>0|[1-9]\d*)"
)
# A repository on the hub: its name alone (as of old), or after that of its owner.
REPOSITORY = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
# Files of texts, by the ends of their names: tables, and an object a line.
TEXT_FILES = re.compile(r".*\.(parquet|jsonl|json|jsonl\.gz|json\.gz)")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@cache
def schema(name: str) -> dict:
    """The JSON schema `config`, `models` or `corpora`. Not to be changed by the caller."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def merged(config: dict) -> dict:
    """The complete configuration: what the user set, checked, and the defaults of the schema.

    Parameters
    ----------
    config : dict
        As Snakemake hands it over, after --configfile and --config. Not changed.

    Returns
    -------
    dict
        With every key of the schema; numbers have the schema's type, relative depths are strings.

    Raises
    ------
    InfogeoError
        Listing every unknown key, wrong type, value out of bounds and contradiction.
    """
    complete = _coerced(config, schema("config"))
    problems = _schema_problems(complete, schema("config"))
    if not problems:
        complete = _filled(complete, schema("config"))
        problems = _contradictions(complete)
    _stop("The configuration (config/config.yaml and what overrides it)", problems)
    return complete


def read_models(path, config: dict) -> list[dict]:
    """The rows of the table of models, checked and completed, in the order of their slugs.

    Parameters
    ----------
    path : path-like
        Tab-separated table with a header. Blank lines and lines beginning with # are skipped.
    config : dict
        The complete configuration (see `merged`), whose ladders the rows refer to.

    Returns
    -------
    list of dict
        With the keys of models.schema.yaml; `params` is an int or None.

    Raises
    ------
    InfogeoError
        Listing every problem of the table with file, row, column, value and what would be right.
    """
    rows, problems = _models(path, config)
    _stop(path, problems)
    return rows


def read_corpora(path, config: dict) -> list[dict]:
    """The rows of the table of corpora; as `read_models`."""
    rows, problems = _corpora(path)
    _stop(path, problems)
    return rows


def read_tables(config: dict) -> tuple[list[dict], list[dict]]:
    """Both tables, checked alone and against each other.

    Returns
    -------
    models, corpora : list of dict
        As from `read_models` and `read_corpora`.

    Raises
    ------
    InfogeoError
        Listing every problem of both tables.
    """
    models, in_models = _models(config["models"], config)
    corpora, in_corpora = _corpora(config["corpora"])
    problems = [f"{config['models']}: {problem}" for problem in in_models]
    problems += [f"{config['corpora']}: {problem}" for problem in in_corpora]
    if not problems:
        problems = _unfit_ladder_corpora(models, corpora, config)
    _stop("The tables of models and corpora", problems)
    return models, corpora


def ladder_member(where: str) -> dict:
    """A ladder row's `where`, '<ladder>/w64-d2-s0', as {ladder, width, depth, seed}.

    Raises
    ------
    InfogeoError
        Where it has another form.
    """
    match = MEMBER.fullmatch(where)
    if match is None:
        raise InfogeoError(f"{where!r} is not of the form <ladder>/w<width>-d<depth>-s<seed>")
    return {"ladder": match["ladder"]} | {k: int(match[k]) for k in ("width", "depth", "seed")}


def ladder_parameters(width: int, depth: int, vocabulary: int) -> tuple[int, int]:
    """(total, non-embedding) parameters of a ladder model: GPT-NeoX, tied, an MLP of 4 × width.

    A block has 3d² + 3d for queries, keys and values, d² + d for their output, 8d² + 5d for the
    MLP and 4d for two norms; after the last block comes a norm, 2d.

    Notes
    -----
    Verified against transformers' GPTNeoXForCausalLM, to the last parameter.
    """
    non_embedding = depth * (12 * width**2 + 13 * width) + 2 * width
    return non_embedding + vocabulary * width, non_embedding


# ---------------------------------------------------------------- one schema, any document
def _coerced(value, schema: dict):
    """A copy of `value` in which what YAML 1.1 or a text cell cannot express has its type.

    PyYAML reads 5e10 as text and 1.0e+6 as a float, `--config key=false` arrives as text, and a
    relative depth 0.5 may be written with or without quotes. Whatever does not fit is left alone,
    for the schema to refuse.
    """
    for branch in schema.get("anyOf", []):
        value = _coerced(value, branch)
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if "object" in kinds:
        if value is None:  # a section whose keys are all commented out
            return {}
        if isinstance(value, dict):
            known = schema.get("properties", {})
            other = schema.get("additionalProperties") or {}
            return {key: _coerced(item, known.get(key, other)) for key, item in value.items()}
    if "array" in kinds and isinstance(value, list | tuple):
        return [_coerced(item, schema.get("items", {})) for item in value]
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


def _filled(value, schema: dict):
    """`value` with the schema's defaults for every property that it lacks, at every level."""
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    filled = {
        key: _filled(copy.deepcopy(value.get(key, inner.get("default"))), inner)
        for key, inner in properties.items()
    }
    other = schema.get("additionalProperties") or {}
    return filled | {k: _filled(v, other) for k, v in value.items() if k not in properties}


def _schema_problems(value, schema: dict) -> list[str]:
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
            f"{_dotted([*error.absolute_path, key])}: unknown key. {_suggestion(key, known, root)}"
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
        "pattern": lambda e: "has not the form that is wanted",
        "anyOf": lambda e: "is none of the values that are allowed",
    }[error.validator](error)
    description = _description(error, root)
    return [f"{prefix}{json.dumps(error.instance, ensure_ascii=False)} {expected}.{description}"]


def _description(error, root: dict) -> str:
    """The description nearest to the place that an error is about."""
    found, place = "", root
    for step in error.absolute_schema_path:
        place = place[step]
        if isinstance(place, dict) and isinstance(place.get("description"), str):
            found = f" ({place['description']})"
    return found


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


def _suggestion(key, known, root: dict) -> str:
    """What an unknown key may have been meant to be: a near name here, or this one elsewhere."""
    near = difflib.get_close_matches(str(key), list(known), n=1)
    if near:
        return f"Did you mean {near[0]}?"
    elsewhere = [path for path in paths(root) if path.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"Did you mean {' or '.join(elsewhere)}?"
    return f"Known here: {', '.join(known)}."


def paths(schema: dict, prefix: str = "") -> list[str]:
    """The dotted path of every key that a schema knows; <name> stands for a free name."""
    found = []
    inner = dict(schema.get("properties", {}))
    if isinstance(schema.get("additionalProperties"), dict):
        inner["<name>"] = schema["additionalProperties"]
    for key, value in inner.items():
        found += [f"{prefix}{key}", *paths(value, f"{prefix}{key}.")]
    return found


# ---------------------------------------------------------------- the configuration as a whole
def _contradictions(config: dict) -> list[str]:
    """What each key allows alone but not together with others."""
    headline, scaling = config["headline"], config["scaling"]
    longest = max(config["spectra"]["n"])
    problems = [
        f"headline.{key}: {headline[key]} is not in {name} {allowed}; add it or choose another"
        for key, name, allowed in (
            ("n", "spectra.n", config["spectra"]["n"]),
            ("eps2", "entropy.eps2", config["entropy"]["eps2"]),
            ("depth", "scaling.depths", scaling["depths"]),
            ("depth", "sentences.depths", config["sentences"]["depths"]),
            ("axis", "scaling.axes", scaling["axes"]),
        )
        if headline[key] not in allowed
    ]
    for index, (metric, convention) in enumerate(headline["metrics"]):
        allowed = conventions(metric)
        if convention not in allowed:
            problems.append(
                f"headline.metrics[{index}]: {metric} has the convention(s) "
                f"{', '.join(map(repr, allowed))}, not {convention!r}"
            )
    problems += [
        f"states.{key}: {config['states'][key]} is less than the longest text, {longest} tokens "
        f"(spectra.n); raise it to at least {longest}"
        for key in ("batch_tokens", "shard_tokens")
        if config["states"][key] < longest
    ]
    problems += [
        f"{section}.{key}: two values agree to six digits, by which metrics are named"
        for section, key in (("entropy", "eps2"), ("context", "lambdas"))
        if len({f"{value:g}" for value in config[section][key]}) < len(config[section][key])
    ]
    if config["sentences"]["n"] > longest:
        problems.append(
            f"sentences.n: {config['sentences']['n']} is more than the longest text that is "
            f"stored, {longest} tokens (spectra.n); lower it or raise spectra.n"
        )
    theory = config["theory"]
    kinds = ("true_probabilities", "background_probabilities")
    problems += [
        f"theory.{key}: sums to {sum(theory[key]):g}, not to 1"
        for key in kinds
        if abs(sum(theory[key]) - 1) > 1e-9
    ]
    if len(theory[kinds[0]]) != len(theory[kinds[1]]):
        problems.append(
            f"theory.{kinds[1]}: {len(theory[kinds[1]])} values, but {kinds[0]} has "
            f"{len(theory[kinds[0]])}; both are over the same tokens"
        )
    problems += _uncovered_depths(config)
    for name, ladder in config["ladders"].items():
        problems += [
            f"ladders.{name}.widths: {width} is not a multiple of head_width {ladder['head_width']}"
            for width in ladder["widths"]
            if width % ladder["head_width"]
        ]
        step = ladder["batch"] * ladder["context"]
        if ladder["tokens"] < step:
            problems.append(
                f"ladders.{name}.tokens: {ladder['tokens']} is less than one step, batch × "
                f"context = {step} tokens; raise tokens or lower batch"
            )
    return problems


def conventions(metric: str) -> list[str]:
    """The conventions in which a metric exists."""
    if metric in TEXT_METRICS:
        return [""]
    return ["unit"] if metric.startswith("coding_rate") else ["unit", "centred"]


def _uncovered_depths(config: dict) -> list[str]:
    """Depths that are to be compared but of which no layer is stored."""
    layers = config["states"]["layers"]
    if layers == "all":
        return []
    problems = [
        f"{section}.depths: {depth} is compared but not stored; add it to states.layers {layers}"
        for section in ("scaling", "sentences")
        for depth in config[section]["depths"]
        if depth not in layers
    ]
    if "final" not in [*layers, *config["scaling"]["depths"]]:
        problems.append(
            f"states.layers: {layers} lacks final, the layer of the context study; add it"
        )
    return problems


# ---------------------------------------------------------------- the tables
def has_labels(row: dict) -> bool:
    """Whether the texts of a corpus carry labels: packages, a column, or subfolders."""
    where = Path(row["where"])
    if row["source"] == "docstrings":
        return True
    if row["source"] == "local" and where.is_dir():
        return any(path.parent != where for path in where.rglob("*.txt"))
    return bool(row["label_column"])


def _rows(path, kind: str) -> tuple[list[tuple[int, dict]], list[tuple[int, str]]]:
    """The (line number, row) of each valid row of a table, and (line number, problem)."""
    path = Path(path)
    if not path.is_file():
        return [], [(0, f"no such file. `{kind}` in the configuration names the table of {kind}")]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [(0, f"byte {error.start} is not UTF-8; save the table as UTF-8")]
    lines = [
        (number, [cell.strip() for cell in line.split("\t")])
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        return [], [(0, f"the table is empty; it needs a header: {_header(kind)}")]
    number, header = lines[0]
    problems = [(number, problem) for problem in _header_problems(header, kind)]
    if problems:
        return [], problems
    if len(lines) == 1:
        return [], [(number, f"a header but no row; add at least one of the {kind}")]

    properties = schema(kind)["properties"]
    rows, slugs = [], []
    for number, cells in lines[1:]:
        while len(cells) > len(header) and not cells[-1]:  # tabs at the end of the line
            cells.pop()
        if len(cells) > len(header):
            wrong = f"{len(cells)} cells under {len(header)} columns; is there a tab too many?"
            problems.append((number, wrong))
            continue
        given = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
        row = {name: _cell(cell, properties[name]) for name, cell in given.items()}
        slugs.append((number, given.get("slug", "")))
        bad = _schema_problems(row, schema(kind))
        problems += [(number, problem) for problem in bad]
        if not bad:
            rows.append((number, _filled(row, schema(kind))))
    return rows, problems + _slug_problems(slugs, kind)


def _cell(text: str, schema: dict):
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return _coerced(text, schema)


def _header(kind: str) -> str:
    return " ".join(schema(kind)["properties"])


def _header_problems(header: list[str], kind: str) -> list[str]:
    known, required = schema(kind)["properties"], schema(kind)["required"]
    if len(header) == 1 and header[0] not in known:
        return [f"one column, {header[0]!r}; the table must be separated by tabs: {_header(kind)}"]
    unknown = [name for name in header if name not in known]
    problems = [
        f"column {name!r}: unknown. {_suggestion(name, [k for k in known if k not in header], {})}"
        for name in unknown
    ]
    problems += [
        f"column {name!r} appears twice" for name in sorted(set(header)) if header.count(name) > 1
    ]
    problems += [f"column {name!r} is missing" for name in required if name not in header]
    return problems


def _slug_problems(slugs: list[tuple[int, str]], kind: str) -> list[tuple[int, str]]:
    """Slugs that would write to the same file, also where upper and lower case are one."""
    problems, first = [], {}
    suffix = RESERVED_SUFFIXES[kind]
    for number, slug in slugs:
        if slug.lower().endswith(suffix):
            problems.append((number, f"slug: {slug!r} ends in {suffix}, which results/ needs"))
        if slug and slug.lower() in first:
            other, line = first[slug.lower()]
            like = "is" if other == slug else f"differs only in case from {other!r}, which is"
            problems.append((number, f"slug: {slug!r} {like} on line {line}; choose another"))
        else:
            first[slug.lower()] = slug, number
    return problems


def _listed(rows, problems) -> tuple[list[dict], list[str]]:
    """Rows in the order of their slugs; problems as text in the order of their lines."""
    return (
        sorted((row for _, row in rows), key=lambda row: row["slug"]),
        [f"line {number}, {text}" if number else text for number, text in sorted(problems)],
    )


def _models(path, config: dict) -> tuple[list[dict], list[str]]:
    rows, problems = _rows(path, "models")
    checks = {
        "ladder": _ladder_row_problems,
        "local": _local_model_problems,
        "hub": _hub_model_problems,
    }
    for number, row in rows:
        problems += [(number, problem) for problem in checks[row["source"]](row, config)]
    return _listed(rows, problems)


def _corpora(path) -> tuple[list[dict], list[str]]:
    rows, problems = _rows(path, "corpora")
    for number, row in rows:
        if row["source"] == "local":
            found = [f"where: {problem}" for problem in _local_corpus_problems(row["where"])]
        elif row["source"] == "hub":
            found = _hub_corpus_problems(row)
        else:
            found = []
        if row["source"] != "hub":
            found += [
                f"{column}: {row[column]!r}; only a hub corpus has one, leave it empty"
                for column in ("revision", "files")
                if row[column]
            ]
        problems += [(number, problem) for problem in found]
    return _listed(rows, problems)


def _hub_corpus_problems(row: dict) -> list[str]:
    problems = _repository_problems(row["where"])
    if not TEXT_FILES.fullmatch(row["files"]):
        problems.append(
            f"files: {row['files']!r}; a pattern of paths that ends in .parquet, .jsonl, .json, "
            ".jsonl.gz or .json.gz"
        )
    return problems


def _hub_model_problems(row: dict, config: dict) -> list[str]:
    return _repository_problems(row["where"])


def _repository_problems(where: str) -> list[str]:
    """By the form of a name alone: no run asks the network before its jobs do."""
    if REPOSITORY.fullmatch(where):
        return []
    return [f"where: {where!r} is no repository on the hub, such as EleutherAI/pythia-410m"]


def _local_corpus_problems(where: str) -> list[str]:
    path = Path(where)
    if not where:
        return ["empty; a local corpus needs its folder or file"]
    if not path.exists():
        return [f"{where!r} does not exist (relative to {Path.cwd()})"]
    if not path.is_dir() and not TEXT_FILES.fullmatch(path.name):
        return [f"{where!r} is neither a folder of .txt files nor a .jsonl or .parquet file"]
    return []


def _local_model_problems(row: dict, config: dict) -> list[str]:
    try:
        validate_directory(row["where"], row["trust_remote_code"])
    except InfogeoError as error:
        return [f"where: {error}"]
    return []


def _ladder_row_problems(row: dict, config: dict) -> list[str]:
    problems = []
    if row["revision"]:
        problems.append(f"revision: {row['revision']!r}; a ladder model has none, leave it empty")
    if row["trust_remote_code"]:
        problems.append("trust_remote_code: a ladder model brings no code, write false or nothing")
    try:
        member = ladder_member(row["where"])
    except InfogeoError as error:
        return [*problems, f"where: {error}"]
    name, ladders = member["ladder"], config["ladders"]
    if name not in ladders:
        near = difflib.get_close_matches(name, list(ladders), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(ladders) or 'none'}"
        return [*problems, f"where: ladders.{name} is not in the configuration; {hint}"]
    ladder = ladders[name]
    problems += [
        f"where: {key} {member[key]} is not in ladders.{name}.{key}s {ladder[key + 's']}"
        for key in ("width", "depth", "seed")
        if member[key] not in ladder[key + "s"]
    ]
    longest = max(config["spectra"]["n"])
    if ladder["context"] < longest:
        problems.append(
            f"where: ladders.{name}.context {ladder['context']} is shorter than the longest text, "
            f"{longest} tokens (spectra.n)"
        )
    counts = ladder_parameters(member["width"], member["depth"], ladder["vocabulary"])
    problems += [
        f"{key}: {row[key]:,} are expected, but this shape has {count:,}; correct it, or leave it "
        "empty"
        for key, count in zip(("params", "params_non_embedding"), counts, strict=True)
        if row[key] and abs(count - row[key]) > 0.01 * row[key]
    ]
    return problems


def _unfit_ladder_corpora(models, corpora, config: dict) -> list[str]:
    """Ladders in use whose training corpus is not there, or sets no texts aside for training."""
    rows = {row["slug"]: row for row in corpora}
    used = {ladder_member(row["where"])["ladder"] for row in models if row["source"] == "ladder"}
    problems = []
    for name in sorted(used):
        corpus = config["ladders"][name]["corpus"]
        if corpus not in rows:
            problems.append(
                f"ladders.{name}.corpus: {corpus!r} is not a slug in {config['corpora']} "
                f"({', '.join(rows)})"
            )
        elif not rows[corpus]["train_share"]:
            problems.append(
                f"{config['corpora']}, {corpus}, train_share: 0, but ladders.{name} is trained on "
                "this corpus; set a share above 0, such as 0.9"
            )
    return problems


def _stop(what, problems: list[str]) -> None:
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InfogeoError(f"{what}: {count}\n" + "\n".join(f"  - {line}" for line in problems))
