"""What a job of laws is asked for: its settings and its models, from params and cards."""

from infogeo.laws.settings import Settings
from infogeo.sources import cards

FIELDS = (
    "params_total", "params_non_embedding", "width", "final_width", "layers", "train_tokens",
    "tokenizer_sha256", "commit", "kind", "source",
)  # fmt: skip
HEADLINE = ("n", "eps2", "depth", "axis", "metrics")


def settings(params, depths, axes) -> Settings:
    """The settings of laws at some depths and against some counts N.

    Parameters
    ----------
    params : namespace
        depth_tolerance, draws, seed, and headline_* for each of HEADLINE.
    depths, axes : sequences of str
    """
    return Settings(
        depths=tuple(depths),
        depth_tolerance=params.depth_tolerance,
        axes=tuple(axes),
        draws=params.draws,
        seed=params.seed,
        headline={name: getattr(params, f"headline_{name}") for name in HEADLINE},
    )


def models(paths, params) -> list[dict]:
    """The models of laws, as `infogeo.laws.fit.scaling_laws` takes them.

    Parameters
    ----------
    paths : sequence of path
        model.json of each.
    params : namespace
        Columns of the table of models: models (their slugs), families, replicates, dtypes, runs,
        steps and train_tokens.
    """
    return cards.described(
        paths,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
        dtype=params.dtypes,
        run=params.runs,
        step=params.steps,
        train_tokens=params.train_tokens,
    )
