# make demo   render, train, evaluate, report: ten minutes on two cores; more words by DEMO="seed=1"
# make test   everything that CI runs, in an environment of its own (.venv), made at the first call
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Threads that spin while they wait cost a busy machine several times the work.
export OMP_WAIT_POLICY ?= PASSIVE

DEMO ?=

.PHONY: demo test test-slow check environment clean

environment: $(VENV)/.ready

# A build is only as fresh as pyproject.toml: the package itself is installed in place.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "contextssl needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: environment
	$(BIN)/contextssl demo $(DEMO)

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -m 'not slow'

test-slow: check
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
