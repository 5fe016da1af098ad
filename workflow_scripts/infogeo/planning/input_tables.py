"""The tables of models and corpora: read, checked with all problems at once, completed.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

import difflib
import itertools
import re
from pathlib import Path

from infogeo.files.errors import InfogeoError, stop_at
from infogeo.planning import schemas, training_rows
from infogeo.sources import cards, foreign, ladder_members, twin_groups
from infogeo.sources.model_directory import GGUF, REPOSITORY, repository_hint, validate_directory
from infogeo.sources.text_files import text_paths

# Names in results/ that a slug would collide with: {corpus}.train.parquet, {model}.untrained-0.h5,
# {model}.shuffled.h5.
RESERVED = {"models": r".*(\.untrained|\.shuffled)", "corpora": r".*(\.train)$"}
# Slugs of models in paths, as a regular expression: what comes before a reserved name.
SLUG = r"[A-Za-z0-9](?:[A-Za-z0-9_@-]|\.(?!untrained|shuffled))*"
# Files of texts, by the ends of their names: tables, and an object a line.
TEXT_FILES = re.compile(r".*\.(parquet|jsonl|json|jsonl\.gz|json\.gz)", re.IGNORECASE)


def read(config: dict) -> tuple[list[dict], list[dict]]:
    """Both tables, checked alone and against each other.

    Tables are tab-separated, with a header. Blank lines and lines beginning with # are skipped.

    Parameters
    ----------
    config : dict
        The complete configuration (see `configuration.merged`): the paths of the tables, and the
        ladders that rows refer to.

    Returns
    -------
    models, corpora : list of dict
        Rows in the order of their slugs, with the keys of models.schema.yaml and
        corpora.schema.yaml; `params` is an int or None. Of models also `architecture`, the slug
        under which its untrained twins are (see `twin_groups.architectures`).

    Raises
    ------
    InfogeoError
        Listing every problem of both tables with file, row, column, value and what would be right.
    """
    models, in_models = _models(config["models"], config)
    corpora, in_corpora = _corpora(config["corpora"])
    problems = [f"{config['models']}: {problem}" for problem in in_models]
    problems += [f"{config['corpora']}: {problem}" for problem in in_corpora]
    if not problems:
        problems = [
            *_unfit_ladder_corpora(models, corpora, config),
            *_unknown_sentence_corpora(corpora, config),
            *_unfit_encoders(models, config),
            *_sinks_in_laws(models, config),
            *_unknown_others(models, config["models"]),
            *_undescribed_states(models, corpora, config),
        ]
    stop_at(problems, "The tables of models and corpora")
    return models, corpora


def has_labels(row: dict) -> bool:
    """Whether the texts of a corpus carry labels: packages, a column, or subfolders."""
    where = Path(row["where"])
    if row["source"] == "docstrings":
        return True
    if row["source"] == "local" and where.is_dir():
        return any(path.parent != where for path in text_paths(where))
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

    schema = schemas.read(kind)
    properties = schema["properties"]
    rows, slugs = [], []
    for number, cells in lines[1:]:
        while len(cells) > len(header) and not cells[-1]:  # tabs at the end of the line
            cells.pop()
        if len(cells) > len(header):
            wrong = f"{len(cells)} cells under {len(header)} columns; is there a tab too many?"
            problems.append((number, wrong))
            continue
        filled_in = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
        row = {name: _cell(cell, properties[name]) for name, cell in filled_in.items()}
        slugs.append((number, filled_in.get("slug", "")))
        in_row = schemas.problems(row, schema)
        problems += [(number, problem) for problem in in_row]
        if not in_row:
            rows.append((number, schemas.filled(row, schema)))
    return rows, problems + _slug_problems(slugs, kind)


def _cell(text: str, schema: dict):
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return schemas.coerced(text, schema)


def _header(kind: str) -> str:
    return " ".join(schemas.read(kind)["properties"])


def _header_problems(header: list[str], kind: str) -> list[str]:
    schema = schemas.read(kind)
    known, required = schema["properties"], schema["required"]
    if len(header) == 1 and header[0] not in known:
        return [f"one column, {header[0]!r}; the table must be separated by tabs: {_header(kind)}"]
    absent = [name for name in known if name not in header]
    problems = [
        f"column {name!r}: unknown. {schemas.suggestion(name, absent, {})}"
        for name in header
        if name not in known
    ]
    problems += [
        f"column {name!r} appears twice" for name in sorted(set(header)) if header.count(name) > 1
    ]
    problems += [f"column {name!r} is missing" for name in required if name not in header]
    return problems


def _slug_problems(slugs: list[tuple[int, str]], kind: str) -> list[tuple[int, str]]:
    """Slugs that would write to the same file, also where upper and lower case are one."""
    problems, first = [], {}
    reserved = RESERVED[kind]
    for number, slug in slugs:
        if collision := re.match(reserved, slug.lower()):
            problems.append(
                (
                    number,
                    f"slug: {slug!r} holds {collision[1]}, which results/ needs; choose another",
                )
            )
        if slug and slug.lower() in first:
            other, line = first[slug.lower()]
            like = "is" if other == slug else f"differs only in case from {other!r}, which is"
            problems.append((number, f"slug: {slug!r} {like} on line {line}; choose another"))
        else:
            first[slug.lower()] = slug, number
    return problems


def _listed(rows, problems) -> tuple[list[dict], list[str]]:
    """Rows in the order of their slugs; problems as text in the order of their lines."""

    def place(row):
        slug, _, step = row["slug"].partition("@")
        return slug, int(step or 0)

    return (
        sorted((row for _, row in rows), key=place),
        [f"line {number}, {text}" if number else text for number, text in sorted(set(problems))],
    )


def _models(path, config: dict) -> tuple[list[dict], list[str]]:
    rows, problems = _rows(path, "models")
    rows, in_steps = training_rows.expanded(rows)
    problems += in_steps
    if not problems:  # the rows are all that there are
        problems += training_rows.lacking_members(rows)
    checks = {
        "ladder": _ladder_row_problems,
        "local": _local_model_problems,
        "hub": _hub_model_problems,
        "states": _states_problems,
    }
    for number, row in rows:
        problems += [(number, problem) for problem in checks[row["source"]](row, config)]
        problems += [(number, problem) for problem in _removal_problems(row)]
    problems += _shared_and_removed(rows)
    if not problems:
        rows = training_rows.with_ladder_runs(rows, config)
        problems = training_rows.run_problems(rows)
        architectures = twin_groups.architectures([row for _, row in rows])
        rows = [(n, row | {"architecture": architectures[row["slug"]]}) for n, row in rows]
    return _listed(rows, problems)


def _corpora(path) -> tuple[list[dict], list[str]]:
    rows, problems = _rows(path, "corpora")
    for number, row in rows:
        if row["source"] == "local":
            in_row = [f"where: {problem}" for problem in _local_corpus_problems(row["where"])]
        elif row["source"] == "hub":
            in_row = _hub_corpus_problems(row)
        else:
            in_row = []
        if row["source"] != "hub":
            in_row += [
                f"{column}: {row[column]!r}; only a hub corpus has one, leave it empty"
                for column in ("revision", "files")
                if row[column]
            ]
        problems += [(number, problem) for problem in in_row]
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


def _removal_problems(row: dict) -> list[str]:
    """Weights that are to be removed, though no download brings them back."""
    if row["keep_weights"] or row["source"] == "hub":
        return []
    return [
        f"keep_weights: false, but only weights from the hub are removed, and source is "
        f"{row['source']}; write true or nothing"
    ]


def _shared_and_removed(rows) -> list[tuple[int, str]]:
    """Weights that are to be removed, though another row reads them too."""
    first, problems = {}, []
    names = {row["slug"]: (row["where"], row["revision"]) for _, row in rows}
    for number, row in rows:
        if row["source"] != "hub":
            continue
        same = first.setdefault(names.get(row["same_as"], names[row["slug"]]), row)
        if same is not row and not (same["keep_weights"] and row["keep_weights"]):
            problems.append(
                (number, f"keep_weights: {row['slug']} and {same['slug']} have the same weights, "
                "which are removed when one of them is measured; write true in both rows, or "
                "leave one out")
            )  # fmt: skip
    return problems


def _repository_problems(where: str) -> list[str]:
    """By the form of a name alone: no run asks the network before its jobs do."""
    if where.lower().endswith(".gguf"):
        return [f"where: {where}: {GGUF}"]
    if REPOSITORY.fullmatch(where):
        return []
    return [f"where: {where!r} is no repository on the hub, such as EleutherAI/pythia-410m"]


def _local_corpus_problems(where: str) -> list[str]:
    path = Path(where)
    if not where:
        return ["empty; a local corpus needs its folder or file"]
    if not path.exists():
        return [f"{where!r} does not exist (relative to {Path.cwd()}).{repository_hint(where)}"]
    if not path.is_dir() and not TEXT_FILES.fullmatch(path.name):
        return [f"{where!r} is neither a folder of .txt files nor a .jsonl or .parquet file"]
    return []


def _local_model_problems(row: dict, config: dict) -> list[str]:
    try:
        validate_directory(row["where"], row["trust_remote_code"])
    except InfogeoError as error:
        return [f"where: {error}"]
    return []


def _states_problems(row: dict, config: dict) -> list[str]:
    """What contradicts states that another engine made; the states themselves are read later."""
    problems = []
    if not Path(row["where"]).is_dir():
        problems.append(
            f"where: {row['where']!r} is no folder (relative to {Path.cwd()}); it must hold a "
            "folder of states for each corpus"
        )
    if not config["keep_hidden_states"]:
        problems.append("source: states are kept as they are; set keep_hidden_states to true")
    for name, default in (("kind", "causal"), ("params", None), ("params_non_embedding", None),
                          ("trust_remote_code", False)):  # fmt: skip
        if row[name] != default:
            problems.append(f"{name}: {row[name]!r}; states.json says it, leave it empty")
    return problems


def _ladder_row_problems(row: dict, config: dict) -> list[str]:
    problems = []
    if row["revision"]:
        problems.append(f"revision: {row['revision']!r}; a ladder model has none, leave it empty")
    if row["trust_remote_code"]:
        problems.append("trust_remote_code: a ladder model brings no code, write false or nothing")
    if row["kind"] != "causal":
        problems.append(f"kind: {row['kind']!r}; a ladder model is causal, write so or nothing")
    if row["replicate"] is not None:
        problems.append(
            f"replicate: {row['replicate']}; the seed in `where` numbers a ladder model, leave it "
            "empty"
        )
    try:
        member = ladder_members.member(row["where"])
    except InfogeoError as error:
        return [*problems, f"where: {error}"]
    name, ladders = member["ladder"], config["ladders"]
    if name not in ladders:
        near = difflib.get_close_matches(name, list(ladders), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(ladders) or 'none'}"
        return [*problems, f"where: ladders.{name} is not in the configuration; {hint}"]
    ladder = ladders[name]
    steps = ladder_members.checkpoints(ladder)
    if row["step"] is not None and row["step"] not in steps:
        problems.append(
            f"step: {row['step']}; the training keeps {', '.join(map(str, steps)) or 'none'} "
            f"(ladders.{name}.checkpoints), and the end has no step"
        )
    problems += [
        f"where: {key} {member[key]} is not in ladders.{name}.{key}s {ladder[key + 's']}"
        for key in ("width", "depth", "seed")
        if member[key] not in ladder[key + "s"]
    ]
    if row["where"].endswith(ladder_members.SINK):
        problems += _sink_problems(row, member)
    longest = max(config["spectra"]["n"])
    if ladder["context"] < longest:
        problems.append(
            f"where: ladders.{name}.context {ladder['context']} is shorter than the longest text, "
            f"{longest} tokens (spectra.n)"
        )
    counts = ladder_members.parameters(member["width"], member["depth"], ladder["vocabulary"])
    problems += [
        f"{key}: {row[key]:,} are expected, but this shape has {count:,}; correct it, or leave it "
        "empty"
        for key, count in zip(("params", "params_non_embedding"), counts, strict=True)
        if row[key] and abs(count - row[key]) > 0.01 * row[key]
    ]
    return problems


def _sink_problems(row: dict, member: dict) -> list[str]:
    """What forbids that a sink is planted in a member of a ladder."""
    problems = []
    if member["depth"] < ladder_members.SINK_DEPTH:
        problems.append(
            f"where: {row['where']} has {member['depth']} blocks; a sink is planted in "
            f"{ladder_members.SINK_DEPTH} or more"
        )
    if row["step"] is not None:
        problems.append(
            f"step: {row['step']}; a sink is planted at the end of a training, leave it empty"
        )
    if row["dtype"] != "float32":
        problems.append(
            f"dtype: {row['dtype']!r}; a planted sink is found to six digits, write float32"
        )
    return problems


def _unknown_others(models: list[dict], path) -> list[str]:
    """Models beside, or the same as, one that there is not, or themselves."""
    slugs = {row["slug"] for row in models}
    problems = []
    for row, column in itertools.product(models, ("pair_with", "same_as")):
        other = row[column]
        if other and (other not in slugs or other == row["slug"]):
            others = sorted(slugs - {row["slug"]})
            near = difflib.get_close_matches(other, others, n=1) or others[:3]
            problems.append(
                f"{path}, {row['slug']}, {column}: {other!r} is no other model of the table; "
                f"write a slug of it{', such as ' + ', '.join(near) if near else ''}"
            )
    original = {row["slug"]: row["same_as"] for row in models}
    problems += [
        f"{path}, {slug}, same_as: {other!r} is itself the same as {original[other]!r}; write that"
        for slug, other in original.items()
        if original.get(other)
    ]
    return problems


def _undescribed_states(models, corpora, config: dict) -> list[str]:
    """States without a description for each corpus, or of another dtype than their row says."""
    problems = []
    for row in models:
        if row["source"] == "states":
            try:
                described = foreign.of_model(row["where"], [corpus["slug"] for corpus in corpora])
                foreign.check_dtype(described[0], row["dtype"])
            except InfogeoError as error:
                problems.append(f"{config['models']}, {row['slug']}: {error}")
    return problems


def _unfit_encoders(models, config: dict) -> list[str]:
    """Families of both kinds, and sentences cut to a length at which an encoder has no pass."""
    encoders = [row for row in models if cards.is_encoder(row)]
    families = {row["family"] for row in models if not cards.is_encoder(row)}
    problems = [
        f"{config['models']}, {row['slug']}, family: {row['family']!r} has causal models too; an "
        "encoder cannot be compared with them, give it another family"
        for row in encoders
        if row["family"] in families
    ]
    n, lengths = config["sentences"]["n"], config["spectra"]["n"]
    if encoders and config["sentences"]["corpora"] and n not in lengths:
        problems.append(
            f"sentences.n: {n} is not in spectra.n {lengths}, and {encoders[0]['slug']!r} is an "
            "encoder, of which each length is a pass of its own; set sentences.n to one of them"
        )
    return problems


def _sinks_in_laws(models, config: dict) -> list[str]:
    """Planted sinks in a family of trained models, of whose law they are no points."""
    families = {row["family"] for row in models if not row["variant_of"]}
    return [
        f"{config['models']}, {row['slug']}, family: {row['family']!r} has trained models too; a "
        "planted sink is no point of their law, give it another family"
        for row in models
        if row["variant_of"] and row["family"] in families
    ]


def _unknown_sentence_corpora(corpora, config: dict) -> list[str]:
    """Corpora chosen for the study of sentences that are not there, or have no labels."""
    chosen, rows = config["sentences"]["corpora"], {row["slug"]: row for row in corpora}
    problems = []
    for slug in [] if chosen == "all" else chosen:
        if slug not in rows:
            problems.append(
                f"sentences.corpora: {slug!r} is not a slug in {config['corpora']} "
                f"({', '.join(rows)})"
            )
        elif not has_labels(rows[slug]):
            problems.append(
                f"sentences.corpora: {slug!r} has no labels in {config['corpora']}; name their "
                "column in label_column, sort a folder's texts into subfolders, or leave it out"
            )
    return problems


def _unfit_ladder_corpora(models, corpora, config: dict) -> list[str]:
    """Ladders in use whose training corpus is not there, or sets no texts aside for training."""
    rows = {row["slug"]: row for row in corpora}
    used = {
        ladder_members.member(row["where"])["ladder"] for row in models if row["source"] == "ladder"
    }
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
