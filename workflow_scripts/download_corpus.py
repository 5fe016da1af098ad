"""Download the files of one data set from the hub, check them, and list them."""

import json

from infogeo.jobs import binding
from infogeo.files.artefacts import replacing
from infogeo.sources import hub


def main(files, params, output) -> None:
    """Fetch the files, and write the listing."""
    repository, folder, facts = hub.fetch_dataset(params.where, params.revision, params.files)
    listing = {
        "where": params.where,
        "revision": params.revision,
        "commit": repository.commit,
        "directory": str(folder),
        "files": facts,
        "fingerprint": params.fingerprint,
    }
    with replacing(output[0]) as temporary:
        temporary.write_text(json.dumps(listing, indent=1, ensure_ascii=False) + "\n")
    total = sum(fact["bytes"] for fact in facts.values())
    print(
        f"{params.corpus}: {repository}, {len(facts)} files, {total:,} bytes",
        flush=True,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
