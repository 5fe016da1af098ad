"""What a rule hands to the function that its script calls."""


def settings(snakemake) -> dict:
    """The params by name, all but `logic`, and where and how the job is to run.

    Parameters
    ----------
    snakemake
        Of the script of a rule that states placement and workers among its resources.

    Returns
    -------
    dict
        The params, and placement, workers, threads and resources; see `shards.Work`.
    """
    params = {name: value for name, value in snakemake.params.items() if name != "logic"}
    return params | {
        "placement": snakemake.resources.placement,
        "workers": snakemake.resources.workers,
        "threads": snakemake.threads,
        "resources": dict(snakemake.resources.items()),
    }
