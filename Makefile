# Every command of the project. All run from .venv, which follows pyproject.toml.
# Needed on the machine: Python 3.11 or newer, make, and Java for the specs.

PYTHON ?= python3
PG ?= 18
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
CODE := $(wildcard src tests correctness examples)
# Every database test records its trace; all are replayed at the end, by TLC or, without Java, by its
# Python twin.
PYTEST_ARGS ?= --replay-traces
# How long the soak and the hunt last.
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo examples test model-check model-check-deep edge-cover corruptions mutants sql-mutants spec-mutants chaos soak process-hunt lint format bench wheel ci clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(STAMP) ## run real jobs: the standard library's files, two workers, a checked report
	$(BIN)/python -m examples.stdlib_census

examples: $(STAMP) ## run every example as a user would, on a server that is thrown away
	$(BIN)/python -m examples

test: $(STAMP) ## run the tests on PostgreSQL 18 (make test PG=15: on the system's)
	PG=$(PG) $(BIN)/python -m pytest $(PYTEST_ARGS)

model-check: $(STAMP) ## check the specs, one line per configuration
	$(BIN)/python -m correctness.model_check

model-check-deep: $(STAMP) ## the same with larger bounds (long)
	$(BIN)/python -m correctness.model_check --deep

edge-cover: $(STAMP) ## drive the SQL along every edge of the graphs of one job, and count (long)
	$(BIN)/python -m correctness.edges

corruptions: $(STAMP) ## corrupt recorded traces in every way, and write what the replay refuses (long)
	rm -rf .pytest_cache/recorded
	$(BIN)/python -m pytest tests/storage -q --replay-traces --replay-by=twin --keep-traces .pytest_cache/recorded
	$(BIN)/python -m correctness.corruptions --recorded .pytest_cache/recorded

mutants: sql-mutants spec-mutants corruptions ## all that is made wrong on purpose: SQL, specification, traces (long)

sql-mutants: $(STAMP) ## hunt every mutant of the SQL, and write who caught what (long)
	$(BIN)/python -m correctness.mutants

spec-mutants: $(STAMP) ## hunt every mutant of spec/Storage.tla, and write who caught what
	$(BIN)/python -m correctness.spec_mutants

chaos: $(STAMP) ## faults of all kinds on real processes, audited; then cuts at every message, and random programs (long)
	$(BIN)/python -m correctness.chaos
	$(BIN)/python -m correctness.processes --sweep
	$(BIN)/python -m correctness.processes --minutes 1

soak: $(STAMP) ## ten minutes of mixed work under steady faults, audited (make soak MINUTES=60)
	$(BIN)/python -m correctness.chaos soak --minutes $(MINUTES)

process-hunt: $(STAMP) ## play random programs over real processes (MINUTES=10)
	$(BIN)/python -m correctness.processes --minutes $(MINUTES)

lint: $(STAMP) ## ruff (all rules), its formatter, and mypy strict; tests included
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(CODE)

format: $(STAMP) ## let ruff format and fix what it can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

bench: $(STAMP) ## measure throughput and cost per job on a fresh server
	$(BIN)/awa bench

wheel: $(STAMP) ## build the wheel; install and import it in an empty environment
	rm -rf dist
	$(BIN)/python -m build --wheel
	@set -eu; room=$$(mktemp -d); trap 'rm -rf "$$room"' EXIT; wheel=$$(ls "$$PWD"/dist/*.whl); \
	$(BIN)/python -m venv "$$room/venv"; cd "$$room"; \
	venv/bin/python -m pip install --quiet --disable-pip-version-check "$$wheel"; \
	venv/bin/python -c 'import awa, importlib.resources as r; \
	assert r.files("awa").joinpath("sql", "order.txt").is_file(), "the SQL is not in the wheel"; \
	assert r.files("awa").joinpath("py.typed").is_file(), "py.typed is not in the wheel"'; \
	venv/bin/awa --version

ci: ## what the gate runs
	bash .ci/run

clean: ## remove what the targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	touch $@
