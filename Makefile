# `make` lists the targets. Each makes `.venv` first, from hashed locks.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# One worker more than cores, as some wait; each file on one of them, folder by folder, so that no folder's services run
# on beside the next; the stack comes up once for all.
WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
# Each service that a test starts would compile all its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up test test-quick test-full attack check format chaos chaos-brief chaos-full bench bench-full reference lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: .venv/.dev ## A realistic day of the city, on real Kafka, MongoDB and SMTP; ends with a table
	@$(BIN)/python -m demo

up: .venv/.dev ## The same stack, kept running, until Ctrl-C; addresses in .run/stack.json; data stay until `clean`
	@$(BIN)/python -m demo.up

TESTS := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --tb=native

test: .venv/.dev ## The tests: unit, property, contract, integration, end-to-end, some attacks and faults (a quarter of an hour on two cores)
	@$(TESTS) -m "not full and not chaos"

test-quick: .venv/.dev ## Unit and property tests, without Kafka and MongoDB: for daily work (a minute)
	@KOMPETEN_EXAMPLES=$${KOMPETEN_EXAMPLES:-10} $(TESTS) tests/unit tests/property -m "not full and not chaos and not slow and not stack"

test-full: test ## And those that take long and seldom find more: what CI runs
	@$(TESTS) -m "full and not chaos"

attack: .venv/.dev ## The attacks of the threat model on the running product, with ordinary credentials; part of test-full
	@$(BIN)/python -m pytest tests/attack --tb=native

check: .venv/.dev ## What CI checks before the tests: format, lint, types, imports, generated pages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --no-cache . # what is first-party depends on other files: a cache may not know
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.reference --check

format: .venv/.dev ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

chaos: .venv/.dev ## The fault ledger: real services on three brokers and three databases, some 50 faults; before it some of them each alone (three quarters of an hour)
	@$(BIN)/python -m pytest tests -m chaos --tb=native
	@$(BIN)/python -m tests.faults --write

chaos-brief: .venv/.dev ## Some of the faults (four minutes)
	@$(BIN)/python -m tests.faults --brief

chaos-full: .venv/.dev ## All faults, with outages of a minute (40 min)
	@$(BIN)/python -m tests.faults --full

bench: .venv/.bench ## Figures against peers, at most 10 minutes; writes tests/bench/results/
	@$(BIN)/python -m tests.bench

bench-full: .venv/.bench ## All figures, at full length
	@$(BIN)/python -m tests.bench --full

reference: .venv/.dev ## Regenerate docs/reference from the code
	@$(BIN)/python -m tools.reference

lock: .venv/.dev ## Pin dependencies anew, by hash (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements/run.txt
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -q -c requirements/run.txt -o requirements/dev.txt
	uv pip compile pyproject.toml --group dev --group bench --universal --generate-hashes --no-emit-index-url --no-header -q -c requirements/dev.txt -o requirements/bench.txt

clean: ## Remove what the targets made: packages, and the data of `up`, also those that Docker holds
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m devstack.forget .run; \
	elif grep -qs docker .run/*/mode; then echo "clean: Docker holds data of 'make up': run 'make .venv/.dev' first, so that they can be removed" >&2; exit 1; fi
	rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.dev: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: install it, or name it: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "installing Python packages into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.bench: requirements/bench.txt .venv/.dev
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
