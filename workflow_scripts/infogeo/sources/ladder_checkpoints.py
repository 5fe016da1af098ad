"""Weights of a ladder model at some steps of its training: kept through kills, then in one file."""

from pathlib import Path

from infogeo.files.artefacts import replacing, sha256_file
from infogeo.files.errors import InfogeoError

NAME = "checkpoints.safetensors"  # of that file, beside the end's weights


class Snapshots:
    """The weights at some steps while a training runs.

    Parameters
    ----------
    steps : list of int
        Updates that have been made then; 0: the initial weights.
    folder : Path
        In which they wait for the end.
    """

    def __init__(self, steps: list[int], folder: Path):
        self._files = {step: folder / f"{step}.safetensors" for step in steps}

    def take(self, step: int, weights: dict) -> None:
        """Keep the weights, by name, where the step is one of those."""
        if step in self._files:
            from safetensors.torch import save

            weights = {f"{step}/{name}": value for name, value in weights.items()}
            with replacing(self._files[step]) as temporary:
                temporary.write_bytes(save(weights))

    def are_whole_before(self, step: int) -> bool:
        """Whether all that were to be taken before a step are there."""
        return all(file.exists() for of, file in self._files.items() if of < step)

    def gather(self, path) -> None:
        """Write all of them into one file, in the order of their steps."""
        from safetensors.torch import load, save

        weights = {}
        for file in self._files.values():
            weights |= load(file.read_bytes())
        with replacing(path) as temporary:
            temporary.write_bytes(save(weights, metadata={"format": "pt"}))


def take(end: dict, folder: Path, *, slug: str, step: int, tokens: int, fingerprint: str) -> dict:
    """Write the directory of a ladder model at a step, from what its training has kept.

    Parameters
    ----------
    end : dict
        model.json of the model at the end of its training.
    folder : Path
        Gets model.safetensors, configuration and tokenizer.
    slug, fingerprint : str
        Of the model at this step.
    step, tokens : int
        Updates made, and tokens seen, by then.

    Returns
    -------
    dict
        Its model.json.

    Raises
    ------
    InfogeoError
        Where what the training has kept is gone or damaged.
    """
    from safetensors import SafetensorError, safe_open

    of_end = Path(end["directory"])
    try:
        with safe_open(of_end / NAME, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(f"{step}/")]  # noqa: SIM118
            weights = {name.partition("/")[2]: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InfogeoError(
            f"{of_end / NAME}: not the whole file of weights that the training of {end['slug']} "
            f"kept ({error}). Train it anew: snakemake -R {of_end / 'model.json'}"
        ) from error
    card = write_with(weights, end, folder)
    return card | {"slug": slug, "train_tokens": tokens, "fingerprint": fingerprint}


def write_with(weights: dict, of: dict, folder: Path) -> dict:
    """Write the directory of a model that differs from another one in its weights alone.

    Parameters
    ----------
    weights : dict of str to array
    of : dict
        model.json of the other one.
    folder : Path

    Returns
    -------
    dict
        `of`, with the files of the new model.
    """
    from safetensors.numpy import save

    with replacing(folder / "model.safetensors") as temporary:
        temporary.write_bytes(save(weights, metadata={"format": "pt"}))
    for name in of["files"]:
        if name != "model.safetensors":
            with replacing(folder / name) as temporary:
                temporary.write_bytes(Path(of["directory"], name).read_bytes())
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
        for name in of["files"]
    }
    return of | {"directory": str(folder), "files": files}
