"""Every entropy of a model from its spectra, and how its twins' gains go with its likelihoods."""

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.files.parts import in_parts
from infogeo.geometry.entropy import entropies, no_entropies
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.geometry.token_gains import TokenGains
from infogeo.geometry.twin_relations import crossed_relations
from infogeo.sources import cards, twin_groups


def main(files, params, output) -> None:
    """Read the spectra of the model and the gains of its twins, and write the tables."""
    of_spectra, of_model, of_first, of_twins, of_shuffled = params.expected
    if files.twins:
        twin_groups.require_same(
            cards.read(files.model, of_model), cards.read(files.model_of_twins, of_first)
        )
    settings = params.eps2, params.lambdas, params.orders
    spectra = SpectraFile(files.spectra, of_spectra)
    write_table(in_parts(entropies(spectra, *settings)), output.entropy, params.fingerprint)
    shuffled = [no_entropies()]
    if files.shuffled:
        shuffled = entropies(SpectraFile(files.shuffled, of_shuffled), *settings)
    write_table(in_parts(shuffled), output.shuffled, params.fingerprint)
    twins = [TokenGains(path, of_twins) for path in files.twins]
    write_table(crossed_relations(spectra, twins), output.crossed, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
