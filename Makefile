# make demo and make test need Python 3.11 or newer, make, and access to PyPI; nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench notebooks clean

demo: $(STAMP)
	$(BIN)/clvmodels report cdnow --margin 30% --out clvmodels-report

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check clvmodels tests benchmarks notebooks
	$(BIN)/mypy
	$(BIN)/lint-imports

# the peers are optional: pip install pymc-marketing into the environment to have it measured too
bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed --save
	$(BIN)/python -m benchmarks.accuracy --save
	$(BIN)/python -m benchmarks.predictive --save
	$(BIN)/python -m benchmarks.bayes --save
	$(BIN)/python -m benchmarks.tables

# in place, with their outputs; those of the messy log are kept from the real one
notebooks: $(STAMP)
	@test -n "$$CLVMODELS_ONLINE_RETAIL" || { echo "Set CLVMODELS_ONLINE_RETAIL to the log of notebooks/05_a_messy_log.ipynb, which says where to get it."; exit 1; }
	$(BIN)/python notebooks/execute.py

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("clvmodels needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) clvmodels-report .pytest_cache .mypy_cache .ruff_cache .hypothesis
