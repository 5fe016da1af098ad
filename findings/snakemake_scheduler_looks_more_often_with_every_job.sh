#!/usr/bin/env bash
# Versions: Snakemake 9.27.1 (the default limit of jobs, --max-jobs-per-timespan 100/1s, is never reached here).
# Behaviour: each look of the scheduler for jobs to start arranges one more look a second later, and each job that ends
#   causes a look of its own, which does the same. Nothing ends these chains. After 40 jobs that ended the head process
#   looks some 40 times a second at all ready jobs, though none can start; the processor time of the head grows with
#   the square of the jobs of a long run.
# Expected: one look when a job ends, and by the clock at most one a second, where the limit holds jobs back.
# Why it matters: workflows of some hundred small jobs on a laptop or a login node. Of 289 jobs of a second each the
#   head took 23 s of processor time, and 7 s where looks by the clock were left out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 2>/dev/null
cd "$folder"
cat > Snakefile <<'SMK'
rule all:
    input:
        expand("short/{i}", i=range(40)),
        expand("long/{i}", i=range(4)),


rule short:
    output:
        "short/{i}",
    priority: 1
    shell:
        "touch {output}"


rule long:
    output:
        "long/{i}",
    shell:
        "sleep 5; touch {output}"
SMK
cat > count.py <<'PY'
import sys
import time
from pathlib import Path

from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

looks, arrange = [], JobScheduler._schedule_reevalutation


def counted(self, delay):
    looks.append(time.time())
    return arrange(self, delay)


JobScheduler._schedule_reevalutation = counted
try:
    main(["--cores", "2", "--quiet", "all"])
except SystemExit:
    pass
# From here on two jobs wait in both places, two wait for a place, and none ends for five seconds.
start = max(path.stat().st_mtime for path in Path("short").iterdir()) + 1.5
often = sum(start < look < start + 3 for look in looks) / 3
print(f"two jobs run, none ends: {often:.0f} looks a second after 40 jobs")
sys.exit(not often > 15)
PY
"$folder/venv/bin/python" count.py 2>/dev/null
