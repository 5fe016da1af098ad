#!/usr/bin/env bash
# Versions: submitit 1.5.4 (Python 3.11), no GPU needed.
# Behaviour: workers of the local executor do not inherit CUDA_VISIBLE_DEVICES. submitit numbers devices from 0 whatever
#   the parent may see, and hides all of them where gpus_per_node is not given. The debug executor changes nothing.
# Seen with CUDA_VISIBLE_DEVICES=2,3 in the parent: local, gpus_per_node=1 -> "0"; gpus_per_node=2 -> "0,1"; without it
#   -> ""; debug -> "2,3". One parent's jobs of one GPU each all get "0".
# Expected: the devices of the parent's list ("2" and "3"), as frameworks' own launchers take them.
# Why it matters: inside an allocation or on a shared machine, where the scheduler or a colleague's agreement says 2,3,
#   states are dumped on somebody else's GPU 0, or, without the option, on the CPU, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check submitit==1.5.4 2>/dev/null
cat > "$folder/seen.py" <<'PY'
import os
import sys

import submitit


def visible():
    return os.environ.get("CUDA_VISIBLE_DEVICES")


if __name__ == "__main__":
    seen = {}
    for cluster, gpus in (("local", 1), ("local", 2), ("local", None), ("debug", None)):
        executor = submitit.AutoExecutor(folder=sys.argv[1], cluster=cluster)
        executor.update_parameters(timeout_min=5, **({} if gpus is None else {"gpus_per_node": gpus}))
        jobs = [executor.submit(visible) for _ in range(2)]
        seen[cluster, gpus] = [job.result() for job in jobs]
        print(f"{cluster}, gpus_per_node {gpus}: {seen[cluster, gpus]}")
    expected = {("local", 1): ["0", "0"], ("local", 2): ["0,1", "0,1"], ("local", None): ["", ""],
                ("debug", None): ["2,3", "2,3"]}
    sys.exit(0 if seen == expected else "this behaviour has changed")
PY
cd "$folder"
CUDA_VISIBLE_DEVICES=2,3 PYTHONPATH="$folder" venv/bin/python seen.py "$folder/logs" 2>/dev/null && echo "as described"
