# From a bare clone: `make build` makes a bitstream, `make test` runs every test.
# Each makes the environment it needs in .venv first, once.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

build: $(VENV)/.build
	$(VENV)/bin/python -m hw.build --board ice40

test: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m pytest -n auto $(PYTEST_FLAGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[build,host]'
	touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[build,check,host,learn]'
	touch $@ $(VENV)/.build

clean:
	find build -mindepth 1 ! -name README.md -delete

.PHONY: build test clean
