#!/usr/bin/env bash
# Versions: submitit 1.5.4 (Python 3.11).
# Behaviour: without timeout_min a job of the local executor has a limit of two minutes, and is ended half a minute
#   before, when the signal for a checkpoint comes; the debug executor has no limit, slurm that of the partition.
# Seen: a job that sleeps 150 s ends after 90 s with FailedJobError, "Job not requeued because: timed-out and not
#   checkpointable", without the limit; with timeout_min=5 it returns its result.
# Expected: no limit where none is given, as on a laptop nobody else waits, or a message that names limit and option.
# Why it matters: what was tried on small models in the local mode fails with the first longer forward pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check submitit==1.5.4 2>/dev/null
cat > "$folder/limits.py" <<'PY'
import sys
import time

import submitit


def rest():
    time.sleep(150)
    return "done"


if __name__ == "__main__":
    jobs = []
    for limit in ({}, {"timeout_min": 5}):
        executor = submitit.AutoExecutor(folder=sys.argv[1], cluster="local")
        executor.update_parameters(**limit)
        jobs.append(executor.submit(rest))
    start, results = time.monotonic(), []
    for job in jobs:
        try:
            results.append(job.result())
        except Exception as error:
            results.append(type(error).__name__)
            (why,) = [line for line in str(error).splitlines() if "not requeued" in line]
            print(f"after {time.monotonic() - start:.0f} s:", why)
    print("without timeout_min:", results[0], "- with 5:", results[1])
    sys.exit(0 if results == ["FailedJobError", "done"] else "this behaviour has changed")
PY
cd "$folder"
PYTHONPATH="$folder" venv/bin/python limits.py "$folder/logs" 2>/dev/null && echo "as described"
