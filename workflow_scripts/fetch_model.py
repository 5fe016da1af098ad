"""Check one local model, count its parameters, and describe it in model.json."""

from infogeo.jobs import logs
from infogeo.sources import models

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        description = models.describe(
            params.where,
            slug=snakemake.wildcards.model,
            source="local",
            where=params.where,
            revision=params.revision,
            params=params.params,
            params_non_embedding=params.params_non_embedding,
            trust_remote_code=params.trust_remote_code,
            fingerprint=params.fingerprint,
        )
        models.write_description(description, snakemake.output[0])
        print(
            f"{description['slug']}: {models.summary(description)}",
            flush=True,
        )
