"""What a rule hands to its function."""

from types import SimpleNamespace

from infogeo.jobs.binding import settings


def test_params_but_their_logic_and_where_the_job_runs():
    resources = {"placement": "local", "workers": 2, "mem_mb": 1500}
    snakemake = SimpleNamespace(
        params={"n": [8], "seed": 0, "logic": "a hash"},
        resources=type("Resources", (SimpleNamespace,), {"items": lambda _: resources.items()})(
            **resources
        ),
        threads=3,
    )
    assert settings(snakemake) == {
        "n": [8],
        "seed": 0,
        "placement": "local",
        "workers": 2,
        "threads": 3,
        "resources": resources,
    }
