# Every command that a person or a machine runs here. `make` alone lists them.
#
# Needs Python 3.11 or newer and make, nothing else: the first target that wants .venv fills it from
# requirements.lock, every file checked against its hash.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
PROTO := contract/proto/headrace/v1

.PHONY: help
help:  ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- the environment ---------------------------------------------------------------------------

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: setup
setup: .venv/.complete .types/headrace  ## Create or update .venv from requirements.lock

# pip installs uv alone, from its own lines of the lock; uv then installs the rest in seconds.
.venv/.complete: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found ($$(python3 --version 2>&1)). Install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment (on Debian and Ubuntu its venv module is a package of its own)." >&2; exit 1; }
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > .venv/uv.txt
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Type checkers cannot follow setuptools' import hook; this link shows them the root as `headrace`.
.types/headrace:
	@mkdir -p .types && ln -sfn .. $@

.PHONY: clean
clean:  ## Remove .venv, caches and build output (never .headrace, which holds your data)
	rm -rf .venv .types .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- use ---------------------------------------------------------------------------------------

.PHONY: demo
demo: setup  ## Everything, on real data, until Ctrl-C (ONCE=1: end after the score)
	$(BIN)/headrace demo $(if $(filter 1,$(ONCE)),--once)

.PHONY: serve
serve: setup  ## The feature server alone
	$(BIN)/headrace serve

.PHONY: bench
bench: setup  ## Every benchmark at reduced size (10 minutes at most)
	@$(call each_benchmark,--reduced)

.PHONY: bench-full
bench-full: setup  ## Every benchmark at full size
	@$(call each_benchmark,)

define each_benchmark
found=0; for script in benchmarks/[!_]*.py; do \
    test -f "$$script" || continue; found=1; echo "== $$script"; $(BIN)/python "$$script" $(1); done; \
    test $$found = 1 || echo "There is no benchmark yet."
endef

# ---- tests -------------------------------------------------------------------------------------

WORKERS ?= 2

# A file's tests stay in one process: they share its servers.
.PHONY: test
test: setup  ## The tests, slow ones left out (8 minutes at most; WORKERS=1: in one process)
	$(BIN)/pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile $(ARGS)

.PHONY: test-slow
test-slow: setup  ## The slow tests: kill loops, soak, browser, clusters (45 minutes at most)
	@status=0; $(BIN)/pytest -m slow $(ARGS) || status=$$?; \
    if [ $$status = 5 ]; then echo "No test is marked slow yet."; exit 0; fi; exit $$status

# ---- checks ------------------------------------------------------------------------------------

.PHONY: check
check: format-check lint types imports lock-check proto-check  ## Everything but the tests

.PHONY: format
format: setup  ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: format-check
format-check: setup
	$(BIN)/ruff format --check .

.PHONY: lint
lint: setup  ## ruff
	$(BIN)/ruff check .

.PHONY: types
types: setup  ## mypy, strict, tests included
	MYPYPATH=.types $(BIN)/mypy -p headrace

.PHONY: imports
imports: setup  ## Which folder may import which
	$(BIN)/lint-imports --no-logo

# ---- what is generated -------------------------------------------------------------------------

COMPILE_LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 \
    --generate-hashes --no-header

.PHONY: lock
lock: setup  ## Write requirements.lock (ARGS=--upgrade: with the newest versions)
	$(COMPILE_LOCK) --output-file requirements.lock $(ARGS)

# Compiled over a copy, so that pins hold; from uv's cache where there is no network.
.PHONY: lock-check
lock-check: setup  ## requirements.lock is current and holds hashes, no address
	@! grep -nE '://|--(extra-)?index|find-links' requirements.lock || { echo "requirements.lock holds an address." >&2; exit 1; }
	@cp requirements.lock .venv/current.lock
	@$(COMPILE_LOCK) --output-file .venv/current.lock > /dev/null || $(COMPILE_LOCK) --offline --output-file .venv/current.lock > /dev/null
	@diff -u requirements.lock .venv/current.lock || { echo "requirements.lock is not what pyproject.toml asks for: make lock" >&2; exit 1; }

# The path is mapped to where the package is imported from, so that generated imports come out right.
PROTOC = $(BIN)/python -m grpc_tools.protoc -Iheadrace/$(PROTO)=$(PROTO) \
    $(patsubst %,headrace/%,$(wildcard $(PROTO)/*.proto))

# .types/headrace is the repository's root: what is written below it lands in the tree.
.PHONY: proto
proto: setup  ## Generate the Python of the .proto
	$(PROTOC) --python_out=.types --pyi_out=.types

.PHONY: proto-check
proto-check: setup  ## The Python of the .proto is current
	@rm -rf .venv/proto && mkdir -p .venv/proto
	@$(PROTOC) --python_out=.venv/proto --pyi_out=.venv/proto
	@cd .venv/proto && for file in $$(find . -type f); do \
    diff -u "../../.types/$$file" "$$file" || { echo "Generated code is stale: make proto" >&2; exit 1; }; done
