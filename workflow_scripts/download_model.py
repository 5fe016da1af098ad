"""Download one model from the hub, check and count it, and describe it in model.json."""

import tempfile
from pathlib import Path

from infogeo.jobs import binding
from infogeo.sources import architecture, hub, models


def main(files, params, output) -> None:
    """Fetch the files, count the parameters, and write the description.

    Weights that are not kept are not fetched here: the jobs that run the model do so.
    """

    def judge(folder) -> None:
        architecture.judge(folder, params.kind, params.trust_remote_code)

    with tempfile.TemporaryDirectory() as empty:
        stand_in = Path(empty) if params.checkpoints_at_once else None
        repository, folder, facts = hub.fetch_model(
            params.where, params.revision, params.trust_remote_code, judge, stand_in
        )
        description = models.describe(
            stand_in or folder,
            slug=params.model,
            source="hub",
            where=params.where,
            revision=params.revision,
            commit=repository.commit,
            kind=params.kind,
            params=params.params,
            params_non_embedding=params.params_non_embedding,
            trust_remote_code=params.trust_remote_code,
            fingerprint=params.fingerprint,
            hashes={name: fact["sha256"] for name, fact in facts.items()},
        )
    models.write_description(description | {"directory": str(folder)}, output[0])
    print(
        f"{description['slug']}: {repository}, {models.summary(description)}",
        flush=True,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
