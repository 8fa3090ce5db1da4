# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
.PHONY: all demo test test-slow test-scatter test-wheel test-python test-newest check format docs speed clean
all: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "==> creating .venv and installing (a few minutes the first time)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[dev,docs,plot,communities]'
	@touch $@
	@echo "==> .venv is ready"

demo: $(READY)  ## train on the embedded graph, print the table, write plots to demo/
	@echo "==> GRACE on the digits graph (about a minute)"
	$(BIN)/gcl train grace digits --config benchmarks/configs/grace/digits.toml \
	  --out demo --resume
	@echo "==> figures"
	$(BIN)/gcl plot demo

test: $(READY)  ## the default tests: minutes on two cores, no network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --quiet

test-slow: $(READY)  ## the tests that take longer
	$(BIN)/python -m pytest --quiet -m slow

test-scatter: $(READY)  ## build torch_scatter (about 6 minutes) and run the tests that need it
	@echo "==> building torch_scatter"
	$(BIN)/python -c "import torch_scatter" 2>/dev/null || $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --constraint constraints.txt setuptools wheel ninja
	$(BIN)/python -c "import torch_scatter" 2>/dev/null || $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --constraint constraints.txt --no-build-isolation torch_scatter
	$(BIN)/python -m pytest --quiet -m scatter

test-wheel: $(READY)  ## build sdist and wheel, try the wheel outside of the checkout
	OMP_NUM_THREADS=1 $(BIN)/python .ci/try_wheel.py

# Environments of their own: constraints.txt pins what the default one has.
OTHER = .venv-$(notdir $(PYTHON))
test-python:  ## the default tests by another interpreter: make test-python PYTHON=python3.13
	@if ! $(PYTHON) -c "" 2>/dev/null; then \
	  echo "==> SKIPPED the tests by $(PYTHON): it does not run on this machine"; \
	else set -e; \
	  test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER); \
	  $(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev,plot,communities]'; \
	  OMP_NUM_THREADS=1 $(OTHER)/bin/python -m pytest --numprocesses 2 --quiet; \
	fi

test-newest:  ## the default tests with the newest torch, PyG and all the rest, for every night
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  --upgrade-strategy eager --editable '.[dev,plot,communities]'
	.venv-newest/bin/python -m pip list | grep --ignore-case torch
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest --numprocesses 2 --quiet

check: $(READY)  ## ruff, mypy and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## the HTML documentation, warnings are errors
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "==> docs/_build/html/index.html"

speed: $(READY)  ## the speed tables of benchmarks/speed
	for script in benchmarks/speed/*.py; do echo "==> $$script"; $(BIN)/python $$script; done

clean:
	rm -rf .venv .venv-* dist demo docs/_build docs/gallery docs/api .pytest_cache .mypy_cache .ruff_cache
