"""Download one model from the hub, check and count it, and describe it in model.json."""

from infogeo.jobs import logs
from infogeo.sources import hub, models

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        repository, folder, facts = hub.fetch_model(
            params.where, params.revision, params.trust_remote_code
        )
        description = models.describe(
            folder,
            slug=snakemake.wildcards.model,
            source="hub",
            where=params.where,
            revision=params.revision,
            commit=repository.commit,
            params=params.params,
            params_non_embedding=params.params_non_embedding,
            trust_remote_code=params.trust_remote_code,
            fingerprint=params.fingerprint,
            hashes={name: fact["sha256"] for name, fact in facts.items()},
        )
        models.write_description(description, snakemake.output[0])
        print(
            f"{description['slug']}: {repository}, {models.summary(description)}",
            flush=True,
        )
