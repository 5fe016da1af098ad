"""Which models are one point of a law: those of one shape that differ in seed alone."""

from infogeo.sources import ladder_members

# Beside the N that a law is fitted against.
SHAPE = ("width", "layers", "params_total", "params_non_embedding")
NAMED = 3  # slugs of a shape, and shapes, that a problem names; of the others it says how many

REMEDY = (
    "Give each its own family; or number those that differ in seed alone in the column replicate "
    "of the table of models; or give the steps of one training a run"
)


def replicate_of(row: dict) -> tuple[str, int] | None:
    """What a row of the table of models is a replicate of, and its number; None: of nothing known.

    Members of a ladder are numbered by their seed, others by their column `replicate`.
    """
    if row["source"] == "ladder":
        member = ladder_members.member(row["where"])
        return member["ladder"], member["seed"]
    return None if row["replicate"] is None else ("", row["replicate"])


def points(models: list[dict], axis: str) -> tuple[list[list[int]], str]:
    """The models of each point of a family's law, and which models stop it.

    Parameters
    ----------
    models : list of dict
        Of one family: slug, width, layers, params_total, params_non_embedding; replicate, a pair
        (what it is a replicate of, its number) or None (see
        `replicate_of`).
    axis : {"non_embedding", "total"}
        The count N.

    Returns
    -------
    points : list of lists of int
        Positions in `models`, the points ascending in N. Models of one shape are one point where
        all are replicates of the same, with different numbers. Others are a point each.
    clash : str
        "", or the models of one shape that are no such replicates (checkpoints, variants), and
        what to do: they are no independent points, so that no law can be fitted over them.
    """
    shapes: dict[tuple, list[int]] = {}
    for position, model in enumerate(models):
        shape = tuple(model[name] for name in (f"params_{axis}", *SHAPE))
        shapes.setdefault(shape, []).append(position)
    grouped, clashes = [], []
    for shape in sorted(shapes):
        members = shapes[shape]
        if _differ_in_seed_alone([models[position]["replicate"] for position in members]):
            grouped.append(members)
        else:
            grouped += [[position] for position in members]
            clashes.append(_some([models[position]["slug"] for position in members]))
    if not clashes:
        return grouped, ""
    return grouped, (
        f"models of one shape that may differ in more than the seed: {_some(clashes, ' and ')}. "
        f"{REMEDY}"
    )


def _differ_in_seed_alone(replicates: list) -> bool:
    """Whether the models of one shape are one model, or numbered replicates of the same."""
    if len(replicates) == 1:
        return True
    if None in replicates:
        return False
    origins, numbers = zip(*replicates, strict=True)
    return len(set(origins)) == 1 and len(set(numbers)) == len(numbers)


def _some(names: list[str], joint: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return joint.join(names[:NAMED]) + (f"{joint}{more} more" if more > 0 else "")
