# The two commands of the README are `make demo` and `make test`. Both make what they need: a virtual environment here,
# and for the tests the real registries and clients that they run against.

VENV := .venv
BIN := $(VENV)/bin
# Written when the environment holds all that pyproject.toml asks for; a change of what is installed or compiled installs again.
READY := $(VENV)/.ready

# The first Python that is new enough; another one: make PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: docs demo test lint format check peers crash fuzz matrix audit
.DEFAULT_GOAL := test

demo: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

# Some tests measure time or memory: no more of them at once than there are cores. For a part: make test ARGS="-k push"
test: $(READY) peers
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The pages and pictures that are made from the code; tests/docs says when one is out of date.
docs: $(READY)
	for script in docs/make_*.py; do $(BIN)/python $$script || exit; done

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

check: lint test

# Minutes of kills, full disks and faults at random; the tests have seconds of it. For another seed: make crash ARGS="--seed 1"
crash: $(READY)
	$(BIN)/python -m tests.reliability.crash $(ARGS)
	$(BIN)/python -m tests.reliability.faults

# Hostile bytes for every reader of foreign ones; led by coverage where there is a wheel of atheris for this Python.
# Another length, seed or part: make fuzz ARGS="--minutes 60 --seed 7 spec tar"
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: atheris || echo "no atheris for this Python: at random"
	$(BIN)/python -m tests.fuzz $(ARGS)

# One project on the Pythons of three Debian releases, on x86-64 and aarch64, as root: docs/reliability.md has the table.
matrix: $(READY)
	$(BIN)/python -m tests.matrix

# What is known of the versions that are installed, and what bandit has to say. Needs a service that knows vulnerabilities.
AUDIT := .venv-audit
audit: $(READY)
	@test -d $(AUDIT) || $(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade bandit pip-audit
	$(AUDIT)/bin/bandit --quiet --recursive --configfile pyproject.toml ocibuild
	$(BIN)/python -m pip freeze --exclude-editable > $(AUDIT)/requirements.txt
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --requirement $(AUDIT)/requirements.txt

peers:
	@tests/peers/install.sh

$(READY): pyproject.toml hatch_build.py ocibuild/layers/_disk.c
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer; if it has another name: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "could not make $(VENV) (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
