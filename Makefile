# From a bare clone: `make build` makes a bitstream, `make test` checks and tests the whole.
# Each makes the environment it needs in .venv first, once. CONTRIBUTING.md has the others.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Small matrix products are slower on several threads, and the tests already run on all cores.
export OMP_NUM_THREADS ?= 1

# Data sets that lie beside the clone are used where they are.
ifneq ($(wildcard ../shared/data),)
export FIRSTSPIKE_DATA ?= $(abspath ../shared/data)
endif

build: $(VENV)/.build
	$(VENV)/bin/python -m hw.build --board ice40

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/mypy

smoke: $(VENV)/.test
	$(VENV)/bin/python -m pytest -q -m smoke

test: $(VENV)/.test lint
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m "not deep" $(PYTEST_FLAGS)

test-deep: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m deep $(PYTEST_FLAGS)

# Of the default tier, which is meant to hold every behaviour; simulations take three times as long.
coverage: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m "not deep" \
	  --cov --cov-report=term:skip-covered $(PYTEST_FLAGS)

docs: $(VENV)/.test
	$(VENV)/bin/sphinx-build -q -W --keep-going -d build/docs/.doctrees docs build/docs/html

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[build,host]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[build,check,convert,data,demo,develop,host,learn]'
	touch $@ $(VENV)/.build

clean:
	find build -mindepth 1 ! -name README.md -delete

.PHONY: build clean coverage docs lint smoke test test-deep
