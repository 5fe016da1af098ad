"""What a rule's script says: to its log file and to the terminal, and errors without noise."""

import contextlib
import os
import sys
import traceback
from pathlib import Path

from infogeo.files.errors import InfogeoError

# Where this variable is set, what a job prints goes to its log alone; errors to the terminal too.
TO_LOGS_ALONE = "INFOGEO_TO_LOGS_ALONE"


class _Tee:
    """A text stream that writes to the terminal and to the log file."""

    def __init__(self, stream, file):
        self.stream, self.file = stream, file

    def write(self, text: str) -> int:
        self.file.write(text)
        return self.stream.write(text)

    def flush(self) -> None:
        self.file.flush()
        self.stream.flush()

    def __getattr__(self, name):
        return getattr(self.stream, name)


@contextlib.contextmanager
def rule(snakemake):
    """Run the body of a rule's script.

    What it prints goes to the rule's log as well, or there alone: see `TO_LOGS_ALONE`. An
    InfogeoError ends the job with its message alone, any other exception with its traceback; both
    are on the terminal and in the log.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr
    with path.open("w", encoding="utf-8") as file:
        tees = [_Tee(stream, file) for stream in streams]
        sys.stdout, sys.stderr = (file, file) if TO_LOGS_ALONE in os.environ else tees
        try:
            yield
        except InfogeoError as error:
            print(f"\nError in {snakemake.rule}:\n{error}\n", file=tees[1], flush=True)
            sys.exit(1)
        except Exception:
            traceback.print_exc(file=tees[1])
            sys.exit(1)
        finally:
            sys.stdout, sys.stderr = streams
