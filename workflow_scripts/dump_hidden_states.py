"""Run one model over one corpus and store its hidden states, likelihoods and attention rows."""

from infogeo.jobs import logs
from infogeo.jobs.binding import settings
from infogeo.states.dump import dump

if __name__ == "__main__":
    with logs.rule(snakemake):
        files = snakemake.input
        dump(files.model, files.corpus, snakemake.output[0], **settings(snakemake))
