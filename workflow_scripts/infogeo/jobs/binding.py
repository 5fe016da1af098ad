"""What a rule hands to the function `main` of its script."""

from types import SimpleNamespace

from infogeo.jobs import logs


def parameters(snakemake) -> SimpleNamespace:
    """What a job is to compute, by name, whether its rule states it in params or in wildcards.

    Parameters
    ----------
    snakemake
        Of the script of a rule.

    Returns
    -------
    types.SimpleNamespace
        The params, the wildcards, and `threads`. Where the rule states a placement also
        `launch`: placement, workers, threads and resources; see `shards.Work`.
    """
    bound = SimpleNamespace(
        **dict(snakemake.params.items()),
        **dict(snakemake.wildcards.items()),
        threads=snakemake.threads,
    )
    resources = dict(snakemake.resources.items())
    if "placement" in resources:
        bound.launch = {
            "placement": resources["placement"],
            "workers": resources["workers"],
            "threads": snakemake.threads,
            "resources": resources,
        }
    return bound


def run(main, snakemake) -> None:
    """Call a script's main(files, params, output) with those of its rule; see `logs.rule`."""
    with logs.rule(snakemake):
        main(snakemake.input, parameters(snakemake), snakemake.output)
