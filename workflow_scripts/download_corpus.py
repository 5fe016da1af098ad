"""Download the files of one data set from the hub, check them, and list them."""

import json

from infogeo.files.artefacts import replacing
from infogeo.jobs import logs
from infogeo.sources import hub

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        repository, folder, facts = hub.fetch_dataset(params.where, params.revision, params.files)
        listing = {
            "where": params.where,
            "revision": params.revision,
            "commit": repository.commit,
            "directory": str(folder),
            "files": facts,
            "fingerprint": params.fingerprint,
        }
        with replacing(snakemake.output[0]) as temporary:
            temporary.write_text(json.dumps(listing, indent=1, ensure_ascii=False) + "\n")
        total = sum(fact["bytes"] for fact in facts.values())
        print(
            f"{snakemake.wildcards.corpus}: {repository}, {len(facts)} files, {total:,} bytes",
            flush=True,
        )
