"""The intrinsic dimension of every layer: of last tokens, of mean states and of sampled tokens."""

import pandas as pd

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.geometry.dimension_rows import tables_by_layer
from infogeo.inference import resampling
from infogeo.jobs.threads import side_by_side
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states layer by layer, and write the table."""
    with open_store(files[0], params.expected[0]) as states, side_by_side(params.threads) as each:
        of_layer = tables_by_layer(
            states,
            resampling.clusters(states.doc_ids, states.sources),
            params.n,
            params.sampled_rows,
            most=params.neighbours,
            draws=params.draws,
            seed=params.seed,
        )
        table = pd.concat(each(of_layer, states.layers), ignore_index=True)
        write_table(table, output[0], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
