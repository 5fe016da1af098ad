# make results   set up and run the workflow on the configuration in config/
# make test      set up and run the tests, but for the long ones (make test ARGS="-m long" runs those)
# make test-package   install the package in a clean environment and measure a file with it
# make test-slurm   run the workflow on a private SLURM (Debian: slurm-wlm slurmdbd munge mariadb-server)
# make front-page   write README's table of verdicts and its picture, and numbers in docs/, from results/
# make real      measure a pretrained model with an attention sink, and write docs/first_token.md
# make bench     run the benches of speed and write docs/benchmarks.md
PYTHON ?= python3
BIN := .venv/bin
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# Memory in MB that local jobs may take together: what the machine has, less a quarter.
MEMORY ?= $(shell awk '/MemTotal/ {print int($$2 / 1024 * 0.75)}' /proc/meminfo 2>/dev/null || echo 4000)

.PHONY: results front-page test test-package test-slurm real bench lint lock

results: .venv/installed
	@PYTHONPATH=workflow_scripts $(BIN)/snakemake --resources mem_mb=$(MEMORY) downloads=2 --logger calm --cores $(CORES) $(ARGS)
	@$(BIN)/python tests/bench/front_page.py --check || true

front-page: .venv/installed
	@$(BIN)/python tests/bench/front_page.py

# As many processes as cores, so each has one thread.
test: .venv/installed
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS)

# The package alone, in an environment that has nothing else.
test-package:
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv $$folder/venv && \
	$$folder/venv/bin/pip install --quiet --no-compile --disable-pip-version-check . && cd $$folder && \
	venv/bin/python -c "import numpy; numpy.savez('states.npz', final=numpy.eye(8, 4))" && \
	venv/bin/infogeo measure states.npz --out table.csv && venv/bin/infogeo --version

test-slurm: .venv/installed
	@$(BIN)/python -m pytest tests/slurm $(ARGS)

real: .venv/installed
	@$(BIN)/python tests/bench/real.py

bench: .venv/installed
	@$(BIN)/python tests/bench/run.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --config keep_hidden_states=false

# The full lock, transitive packages included, from the names in requirements.in.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet -r envs/requirements.in
	{ echo "# Made from requirements.in by 'make lock'."; \
	  .venv-lock/bin/pip freeze --exclude pip | sed 's/^\(torch==[0-9.]*\).*/\1/'; } > envs/requirements.txt
	rm -rf .venv-lock

# Where the lock has not changed there is nothing to install.
.venv/installed: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "infogeo needs Python 3.11 or newer; give one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (once, a few minutes)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch $@
