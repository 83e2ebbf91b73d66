# The two commands for a newcomer are `make demo` and `make test`; everything else is for those who stay.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_OPTIONS ?=
FUZZ_CASES ?= 20000
# Files stay together: what a file starts once, it starts once.
PARALLEL ?= --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# Without kept bytecode every start compiles 800 modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo serve worker test test-fast bench fuzz check format lock schema clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /: /'

$(READY): requirements.lock requirements.cc.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Truckroll needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.uv.lock \
	  && $(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock \
	  && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m optimizer.native --has-compiler \
	  || { echo "Installing a C compiler for the planner (no other was found) …" \
	    && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements.cc.lock; }
	-@$(BIN)/python -m optimizer.native
	@touch $(READY)

demo: $(READY)  ## a demo company, live, on an embedded database (port 8000)
	@$(BIN)/truckroll demo

serve: $(READY)  ## the server, with the settings of the environment
	@$(BIN)/truckroll serve

worker: $(READY)  ## a background worker, with the settings of the environment
	@$(BIN)/truckroll worker

test: $(READY)  ## the whole suite: SQLite always, PostgreSQL and Redis where they are reachable
	@$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_OPTIONS)

test-fast: $(READY)  ## what a change wants to know within a minute: without PostgreSQL, processes and long runs
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not fault" -k "not postgres" $(PYTEST_OPTIONS)

fuzz: $(READY)  ## 20,000 made-up operations on each database; FUZZ_CASES=… for another number
	@TRUCKROLL_TEST_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest tests/schema/test_fuzz.py -s $(PYTEST_OPTIONS)

bench: $(READY)  ## the benchmarks, with their peers where those can be installed
	@for each in tests/benchmarks/bench_*.py; do $(BIN)/python $$each $(BENCH_OPTIONS) || exit 1; done

check: $(READY)  ## style, types, import contracts, migrations drift, schema snapshot and what it may break
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/truckroll migrate --check
	$(BIN)/truckroll schema check

format: $(READY)  ## put the code in its usual form
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

schema: $(READY)  ## write schema.graphql anew
	$(BIN)/truckroll schema export

lock: $(READY)  ## resolve the dependencies anew, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	echo ziglang | $(BIN)/uv pip compile - --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements.cc.lock
	grep -A 100 '^uv==' requirements.lock | awk 'NR == 1 || /^ /{print; next} {exit}' > requirements.uv.lock

clean:  ## remove what was installed and built; data in var/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
