"""The label AUC of every layer, and which measures without labels go with it."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.sentences import which_layer
from infogeo.sentences.file import load


def main(files, params, output) -> None:
    """Take one model of one corpus after the other, and write the tables."""
    profiles = artefacts.read_table(files.profiles, params.expected_profiles)
    trained = zip(files.trained, params.expected, strict=True)
    twins = binding.of_twins(files.untrained, params.places_of_twins)
    untrained = zip(twins, params.expected_untrained, strict=True)
    of_models = []
    for corpus, of_corpus, of_twins in binding.of_each_corpus(params.corpora, trained, untrained):
        twins = dict(zip(params.with_twins, of_twins, strict=True))
        columns = params.models, params.families, params.runs, params.steps, of_corpus
        for model, family, run, step, stored in zip(*columns, strict=True):
            rows = profiles[(profiles["corpus"] == corpus) & (profiles["model"] == model)]
            about = {"corpus": corpus, "family": family, "model": model}
            about |= {"run": run or "", "step": step}
            of_models.append(
                which_layer.tables_of_model(
                    about,
                    rows,
                    load(*stored),
                    load(*twins[model]) if model in twins else None,
                    n=params.n,
                    draws=params.draws,
                    seed=params.seed,
                )
            )
            print(f"{corpus}, {model}: done", flush=True)
    made = which_layer.joined(of_models)
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
    tables.write_csv(made["measures"], output.table)


if __name__ == "__main__":
    binding.run(main, snakemake)
