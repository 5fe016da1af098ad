"""Rows of the table of models that are one model at different steps of its training.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

import re
from itertools import pairwise

from infogeo.sources import ladder_members

PLACE = "{step}"
STEPS = re.compile(r"\s*(0|[1-9]\d*)(\s*,\s*(0|[1-9]\d*))*\s*")
# What a row takes part in, and what each of it needs beside itself.
STUDIES = {
    "entropy": (), "gain": (), "context": ("gain",), "dimension": (), "sentences": (),
    "similarity": (),
}  # fmt: skip
# What rows of one run have in common.
OF_RUN = ("family", "source", "dtype", "kind", "replicate", "trust_remote_code")

Numbered = list[tuple[int, dict]]  # rows with the numbers of their lines
Problems = list[tuple[int, str]]


def expanded(rows: Numbered) -> tuple[Numbered, Problems]:
    """Every row with `steps` as one row for each of them, the last step first.

    Parameters
    ----------
    rows : list of (int, dict)
        Line and row, as from the table.

    Returns
    -------
    rows, problems
        Of a row with `steps` the slug becomes slug@step, and the step takes its place in `where`
        and `revision`. `run` is the slug where it is empty. `train_tokens` of the last step is
        divided in proportion. `studies` is a tuple of names.
    """
    made, problems = [], []
    for line, row in rows:
        in_row = _problems(row)
        problems += [(line, problem) for problem in in_row]
        if not in_row:
            made += [(line, one) for one in _at_steps(_with_studies(row))]
    return made, problems


def _problems(row: dict) -> list[str]:
    """What contradicts itself in a row."""
    problems = [
        f"studies: {name!r} is none; write some of {', '.join(STUDIES)}, separated by commas"
        for name in _names(row["studies"])
        if name not in STUDIES
    ]
    of_ladder = row["source"] == "ladder"
    if of_ladder:
        if row["train_tokens"] is not None:
            problems.append(
                f"train_tokens: {row['train_tokens']}; a ladder model counts them, leave it empty"
            )
    elif row["step"] is not None and row["run"] is None:
        problems.append(
            f"run: empty, but step is {row['step']}; name the run of which it is a step"
        )
    elif row["run"] is not None and row["step"] is None and not row["steps"]:
        problems.append(f"step: empty, but run is {row['run']!r}; write the step of the weights")
    if not row["steps"]:
        return problems
    if row["step"] is not None:
        problems.append(f"step: {row['step']}, beside steps; write one of them")
    if not STEPS.fullmatch(row["steps"]):
        problems.append(
            f"steps: {row['steps']!r}; write whole numbers separated by commas, such as 0,512,1000"
        )
    if not of_ladder and PLACE not in row["where"] + row["revision"]:
        problems.append(
            f"steps: neither revision nor where has {PLACE}, in whose place each step is written"
        )
    return problems


def _names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",") if name.strip()]


def _with_studies(row: dict) -> dict:
    """The row with the studies in which it takes part, and those that they need."""
    chosen = {"entropy", *_names(row["studies"])}
    if not row["studies"] and row["step"] is None and not row["steps"]:
        chosen = set(STUDIES)
    chosen |= {needed for name in chosen for needed in STUDIES[name]}
    return row | {"studies": [name for name in STUDIES if name in chosen]}


def _at_steps(row: dict) -> list[dict]:
    """The row itself, or one for each of its steps."""
    if not row["steps"]:
        return [row]
    steps = [int(step) for step in row["steps"].split(",")]
    last, run = max(steps), row["run"]
    if row["source"] != "ladder":
        run = run or row["slug"]
    return [
        row | {
            "slug": f"{row['slug']}@{step}", "run": run, "step": step, "steps": "",
            "where": row["where"].replace(PLACE, str(step)),
            "revision": row["revision"].replace(PLACE, str(step)),
            "train_tokens": row["train_tokens"] and round(row["train_tokens"] * step / last),
        }
        for step in sorted(steps, reverse=True)
    ]  # fmt: skip


def lacking_members(rows: Numbered) -> Problems:
    """Checkpoints of a ladder, and planted sinks, of whose training no row is the end."""
    ends = set(_ends(rows))
    problems = []
    for line, row in rows:
        where = row["where"]
        if row["source"] != "ladder" or not ladder_members.MEMBER.fullmatch(where):
            continue
        member = where.removesuffix(ladder_members.SINK)
        if member not in ends and member != where:
            problems.append((line, f"where: {where}, but no row trains {member}; add one"))
        elif member == where not in ends and row["step"] is not None:
            problems.append(
                (line, f"step: of {where}, but no row is its end, whose training keeps it; add one "
                "with an empty step")
            )  # fmt: skip
    return problems


def _ends(rows: Numbered) -> dict[str, str]:
    """Members whose whole training is a row → the slug of the first such row."""
    return {
        row["where"]: row["slug"] for _, row in reversed(rows)
        if row["source"] == "ladder" and row["step"] is None
    }  # fmt: skip


def with_ladder_runs(rows: Numbered, config: dict) -> Numbered:
    """The rows, those of a ladder with the tokens seen, and with run and step where there are some.

    A run is a member of which the table has checkpoints, and its end, which has no step. Rows get
    `checkpoint_of`: the slug of the row of that end, "" where they are no checkpoint of a ladder;
    and `variant_of`: that of the trained member in which a sink is planted, likewise. None is
    lacking (see `lacking_members`).
    """
    of_ladders = [row for _, row in rows if row["source"] == "ladder"]
    runs = {_member(row) for row in of_ladders if row["step"] is not None}
    ends, made = _ends(rows), []
    for line, row in rows:
        end = trained = ""
        if row["source"] == "ladder":
            member = row["where"].removesuffix(ladder_members.SINK)
            if member != row["where"]:
                trained = ends[member]
            elif row["step"] is not None:
                end = ends[row["where"]]
            row = _of_ladder(row, ladder_members.settings(row, config), _member(row) in runs)
        made.append((line, row | {"checkpoint_of": end, "variant_of": trained}))
    return made


def _member(row: dict) -> tuple:
    return row["where"], row["family"], row["dtype"], row["run"]


def _of_ladder(row: dict, ladder: dict, of_run: bool) -> dict:
    step = ladder_members.last_step(ladder) if row["step"] is None else row["step"]
    seen = row | {"train_tokens": step * ladder["batch"] * ladder["context"]}
    return seen | {"run": row["run"] or row["where"], "step": step} if of_run else seen


def measured_together(rows: list[dict]) -> dict[str, list[str]]:
    """Rows of ladders whose steps one job measures: slug of the row → those of its models at steps.

    These take part in the entropy study alone, at two steps or more. One rule has one list of
    steps: that of the first such row, so that rows added below it change nothing above. The steps
    of others are measured one by one, as models of any source, and so are those of a family that
    has nothing else: the theory reads states of each family.
    """
    families = {row["family"] for row in rows if not row["checkpoint_of"]}
    of_rows: dict[str, list[dict]] = {}
    for row in rows:
        name, _, step = row["slug"].rpartition("@")
        if row["checkpoint_of"] and row["studies"] == ["entropy"] and step == str(row["step"]):
            of_rows.setdefault(name, []).append(row)
    lists = {
        name: tuple(row["step"] for row in at_steps)
        for name, at_steps in of_rows.items()
        if len(at_steps) > 1
        and len({(row["checkpoint_of"], row["family"], row["dtype"]) for row in at_steps}) == 1
        and at_steps[0]["family"] in families
    }
    if not lists:
        return {}
    steps = next(iter(lists.values()))
    return {name: [row["slug"] for row in of_rows[name]] for name in lists if lists[name] == steps}


def run_problems(rows: Numbered) -> Problems:
    """Runs of two models, with a step twice, or with tokens that fall; by the line of a row."""
    runs: dict[str, Numbered] = {}
    for line, row in rows:
        if row["run"] is not None:
            runs.setdefault(row["run"], []).append((line, row))
    return [problem for run, of_run in runs.items() for problem in _of_run(run, of_run)]


def _of_run(run: str, rows: Numbered) -> Problems:
    first_line, first = rows[0]
    problems = [
        (line, f"{name}: {row[name]!r}, but {first[name]!r} on line {first_line} of run {run!r}; a "
               "run is one model, give this one another run")
        for line, row in rows[1:]
        for name in OF_RUN
        if row[name] != first[name]
    ]  # fmt: skip
    rows = sorted(rows, key=lambda numbered: numbered[1]["step"])
    for (before, one), (line, row) in pairwise(rows):
        if row["step"] == one["step"]:
            problems.append((line, f"step: {row['step']} of run {run!r} is on line {before} too"))
        elif None not in (one["train_tokens"], row["train_tokens"]) and (
            row["train_tokens"] <= one["train_tokens"]
        ):
            fall = f"{row['train_tokens']:,} at step {row['step']:,} of run {run!r}"
            earlier = f"{one['train_tokens']:,} at step {one['step']:,} (line {before})"
            wrong = f"train_tokens: {fall}, but {earlier}; they must rise with the steps"
            problems.append((line, wrong))
    return problems
