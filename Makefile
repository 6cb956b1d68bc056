# physbatch: `make demo` runs the quickstart, `make test` runs all tests.
PYTHON ?= python3
VENV ?= .venv
OUT ?= out/quickstart
BIN := $(VENV)/bin
PHYSBATCH := $(BIN)/physbatch

.PHONY: help demo test test-long test-oldest bench docs lint analysis figures clean check-python

help:
	@echo "make demo       install, run the quickstart study, leave results in $(OUT)"
	@echo "make test       install what the tests need and run all of them"
	@echo "make test-long  also the full-size checks (hours)"
	@echo "make test-oldest  the tests with the lowest versions that pyproject.toml states"
	@echo "make bench      measure the kernels against their peers"
	@echo "make docs       build the pages under docs/, running every block"
	@echo "make lint       ruff and mypy --strict"
	@echo "make analysis   simulate the findings again (hours; stops and resumes)"
	@echo "make figures    draw the figures and numbers of the findings from data/"

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "physbatch needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "name another one: make PYTHON=python3.12 ..."; exit 2; }

$(VENV)/.installed: pyproject.toml constraints.txt | check-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(PHYSBATCH) run analysis/quickstart/study.toml -o $(OUT)/dataset.nc
	$(PHYSBATCH) analyse $(OUT)/dataset.nc -o $(OUT)/results.nc
	$(PHYSBATCH) figure $(OUT)/results.nc -o $(OUT)/figure.pdf
	$(PHYSBATCH) report $(OUT)/dataset.nc $(OUT)/results.nc -o $(OUT)/report.html

# One process a core, but not more than four: each takes up to 2 GB. A file stays in one process.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: $(VENV)/.installed-tests
	$(PYTEST) -m "not slow"

test-long: $(VENV)/.installed-tests
	$(PYTEST)

# An environment of its own with the lowest versions; pictures are those of the pinned ones. What
# old packages say of newer ones is theirs.
OLDEST ?= tests
$(VENV)-oldest/.installed: pyproject.toml constraints-oldest.txt | check-python
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt hatchling editables
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt \
	  --no-build-isolation -e '.[data,slurm]' build hypothesis pytest pytest-xdist pyyaml
	@touch $@

test-oldest: $(VENV)-oldest/.installed
	OMP_NUM_THREADS=1 $(VENV)-oldest/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
	  -m "not slow and not browser and not pictures" -W default::DeprecationWarning $(OLDEST)

bench: $(VENV)/.installed-tests
	$(BIN)/python tests/benchmarks/flip_samples.py

docs: $(VENV)/.installed-tests
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

lint: $(VENV)/.installed-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

analysis: $(VENV)/.installed-tests
	$(BIN)/python -m analysis.remake run

figures: $(VENV)/.installed-tests
	$(BIN)/python -m analysis.remake figures

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache
