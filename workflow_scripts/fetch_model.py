"""Check one local model, count its parameters, and describe it in model.json."""

from infogeo.jobs import binding
from infogeo.sources import models


def main(files, params, output) -> None:
    """Check the directory, count the parameters, and write the description."""
    description = models.describe(
        params.where,
        slug=params.model,
        source="local",
        where=params.where,
        revision=params.revision,
        kind=params.kind,
        params=params.params,
        params_non_embedding=params.params_non_embedding,
        trust_remote_code=params.trust_remote_code,
        fingerprint=params.fingerprint,
    )
    models.write_description(description, output[0])
    print(
        f"{description['slug']}: {models.summary(description)}",
        flush=True,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
