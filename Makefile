# The two set-up commands of the README: `make train` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What pip is asked for when stable-baselines3 is wanted; it brings torch, which is large.
TORCH ?= torch

.PHONY: train test test-slow lint install install-test install-sb3 catalogue clean

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "didact needs Python 3.11 or newer; found %d.%d. Set PYTHON=python3.11 or newer." % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]'
	touch $@ $(VENV)/.installed

# `make train ARGS="--seed 1"` passes options on to `didact train`.
train: install
	$(BIN)/didact train $(ARGS)

# Two processes: much of the time is compiling, which uses one core.
test: install-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: install-test
	$(BIN)/python -m pytest -m slow $(ARGS)

# For tests/environments/adapters/test_stable_baselines3.py, which is skipped without it.
install-sb3: install-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) stable-baselines3

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# After registering an environment, teacher, student or proposer in this repository.
catalogue: install
	$(BIN)/python -m didact.experiments.catalogue

clean:
	rm -rf $(VENV) .pytest_cache
