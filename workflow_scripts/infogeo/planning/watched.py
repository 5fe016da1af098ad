"""Files of users behind a row of a table: their changes are noticed, whatever their names are.

Snakemake takes braces in a path for a wildcard and stores names as UTF-8. Files that it cannot
name are watched by size and time of change, as a parameter of the job that reads them.
"""

from pathlib import Path

from infogeo.sources.text_files import text_paths


def files_of_corpus(row: dict) -> list[Path]:
    """The files behind a row of the table of corpora; none unless they are a user's own."""
    if row["source"] != "local":
        return []
    where = Path(row["where"])
    return text_paths(where) if where.is_dir() else [where]


def files_of_model(row: dict) -> list[Path]:
    """The files of a local model that determine its numbers."""
    where = Path(row["where"])
    return sorted(file for kind in ("*.safetensors", "*.json") for file in where.glob(kind))


def files_of_states(where: str, corpus: str) -> list[Path]:
    """The files of states that another engine made of a corpus, and their description."""
    folder = Path(where) / corpus
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []


def nameable(files: list[Path]) -> list[str]:
    """The paths that Snakemake can be given."""
    return [str(file) for file in files if _is_nameable(file)]


def states_of_others(files: list[Path]) -> dict[str, list[int]]:
    """Path → size in bytes and time of change in nanoseconds, of the files that it cannot."""
    return {
        ascii(str(file)): [file.stat().st_size, file.stat().st_mtime_ns]
        for file in files
        if not _is_nameable(file)
    }


def _is_nameable(file: Path) -> bool:
    name = str(file)
    return not any(sign in name for sign in "{}\n") and name.isprintable()
