# The project's commands. Each sets up first what it needs, and does that once.
PYTHON ?= python3
CORES ?= all
TEST_WORKERS ?= 2
SEED ?= 0
SESSIONS ?= 500

BIN := .venv/bin
INSTALLED := .venv/.installed
# Each test process computes on one thread; the workers share the processor's cores.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

.PHONY: setup demo test test-fast slurm test-slurm test-slurm-many faults mutants lint publish reproduce browser

# Create .venv and install the locked versions.
setup: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("slm needs Python 3.11 or later; choose one with make PYTHON=python3.12 …")'
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The demo suite from end to end: CartPole and Acrobot, four sessions each.
demo: setup
	$(BIN)/snakemake --cores $(CORES) demo

# All tests but test-slurm's, with a sample of the faults; `make test-fast` leaves out those that train to a score, run
# Snakemake or kill.
test: setup
	$(PYTEST)

test-fast: setup
	$(PYTEST) -m "not learning and not workflow and not slurm and not faults"

# Kill sessions and Snakemake, fill the disk, damage files: all of it. SEED chooses the moments of the kills.
faults: setup
	SLM_FAULT_SEED=$(SEED) $(PYTEST) tests/faults --all-faults

# Install Chromium, with which the tests of the report pages open them; nothing to do where it is there.
browser:
	@command -v chromium || command -v google-chrome \
	  || { as_root=$$(test "$$(id -u)" = 0 || echo "sudo -n"); $$as_root apt-get update -qq && $$as_root \
	    env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-color-emoji; } \
	  || echo "Chromium could not be installed: the tests that open the reports in a browser will be skipped" >&2

# Slurm and MUNGE, installed where they are missing and this user may install packages.
slurm:
	@PATH="$$PATH:/usr/sbin"; which slurmctld slurmd sbatch munged > /dev/null || { \
		sudo=; [ "$$(id -u)" -eq 0 ] || sudo="sudo -n"; \
		$$sudo apt-get update -q && \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends slurm-wlm munge; } || \
		{ echo "Slurm is not installed, and can't be here; Debian has it as slurm-wlm and munge" >&2; exit 2; }

# The demo suite on a real Slurm on this machine.
test-slurm: setup slurm
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -m "slurm and not many" tests/slurm

# Hundreds of tiny sessions on that Slurm, with faults: half an hour and more on two cores. It mounts file systems as root.
test-slurm-many: setup slurm
	SESSIONS=$(SESSIONS) OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -m many tests/slurm

# Break the algorithms on purpose, in one place at a time: do the tests notice?
mutants: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python tests/mutants/run.py

# Keep the finished rows of results/ in docs/benchmarks and render docs/BENCHMARKS.md from them.
publish: setup
	$(BIN)/slm publish

# Train a published row again and compare: make reproduce ROW=ppo_cartpole
reproduce: setup
	@test -n "$(ROW)" || { echo "which row? make reproduce ROW=<experiment of docs/BENCHMARKS.md>" >&2; exit 2; }
	$(BIN)/slm reproduce "$(ROW)"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
