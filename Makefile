# Everything below works on a bare machine with Python 3.11 or later: what is missing is fetched into .stockbridge/ and
# .venv/ once, and a warm run spends no time on it. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
TOOLS := .stockbridge/tools
UV := $(or $(shell command -v uv),$(TOOLS)/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
ROOMS := activities adapters api commands domain ledger migrations postgres queries records relay runtime sandbox workflows
CODE := $(ROOMS) tests bench
# More for the command, such as  make test ARGS="-k ledger -x"
ARGS ?=

.PHONY: help
help:  ## List what there is to make
	@echo "make TARGET, with more for its command in ARGS=\"...\""
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- see it ---

.PHONY: demo
demo: $(READY) temporal  ## One order's story, from the ERP's push to the proof of delivery
	@exec $(BIN)/stockbridge demo $(ARGS)

.PHONY: up
up: $(READY) temporal  ## Everything on this machine until Ctrl-C, with its addresses
	@exec $(BIN)/stockbridge up $(ARGS)

# --- check it ---

.PHONY: test
test: $(READY) temporal  ## All tests, three files at a time: some wait for what they end and start again
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: cases
CASES ?= cases
cases: $(READY) temporal  ## Scripts of what went wrong once, in the folder CASES=..., against a stack of their own
	@$(BIN)/python tests/cases.py $(CASES)

.PHONY: prove
prove: export STOCKBRIDGE_STORIES ?= 50000
prove: export STOCKBRIDGE_SEEDS ?= 200
prove: export STOCKBRIDGE_IN_FULL ?= 1
prove: $(READY) temporal  ## What takes long, in full: 200 races, 50,000 random stories (STOCKBRIDGE_SEEDS, STOCKBRIDGE_STORIES), crashes at every point, every restore
	@$(BIN)/python -m pytest tests/ledger/invariants/test_amendments_under_fire.py tests/ledger/invariants/test_named_stories.py \
	  tests/ledger/invariants/test_state_machine.py tests/workflows/shipping/test_events_commute.py \
	  tests/workflows/recovery/test_worker_killed.py tests/workflows/recovery/test_restores.py $(ARGS)

# Schemathesis comes into an environment of its own: in ours, its plugin would be part of every test.
.PHONY: soak
soak: export SCHEMATHESIS ?= $(abspath $(UV)) run --project $(CURDIR) --isolated --frozen --only-group soak schemathesis
soak: export STOCKBRIDGE_SOAK_S ?= 240
soak: $(READY) temporal  ## The whole OpenAPI document, tried by schemathesis for minutes (STOCKBRIDGE_SOAK_S, STOCKBRIDGE_SOAK_SEED)
	@$(BIN)/python tests/soak.py

.PHONY: check
check: lint types contracts test  ## What CI runs: lint, format, types, import contracts, tests

.PHONY: lint
lint: $(READY)  ## Lint, and whether the code is formatted
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

.PHONY: types
types: $(READY)  ## Types
	@$(BIN)/mypy

.PHONY: contracts
contracts: $(READY)  ## Who may import whom
	@$(BIN)/lint-imports

.PHONY: format
format: $(READY)  ## Format the code, and mend what the linter can
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

.PHONY: bench
bench: $(READY) temporal  ## The benchmark tables; also build/bench.json
	@$(BIN)/python -m bench $(ARGS)

.PHONY: openapi
openapi: $(READY)  ## docs/openapi.json anew, after the API has changed
	@$(BIN)/stockbridge openapi > docs/openapi.json

# --- get ready ---

$(READY): pyproject.toml uv.lock | $(UV)
	@echo "Installing the locked packages into .venv"
	@$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

$(TOOLS)/bin/uv:
	@python=""; for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 or later is needed; there is none on PATH." >&2; exit 1; fi; \
	echo "No uv on PATH: installing uv $(UV_VERSION) into $(TOOLS)"; \
	rm -rf $(TOOLS); \
	if ! $$python -m venv $(TOOLS); then echo "Install Python's venv module (Debian: python3-venv), or uv." >&2; exit 1; fi; \
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Temporal's dev server, unless there is one: without this the first test would wait for it in silence.
.PHONY: temporal
temporal: $(READY)
	@[ -n "$${TEMPORAL_ADDRESS:-}" ] || $(BIN)/python -m runtime.embedded.temporal_binary

.PHONY: clean
clean:  ## Remove what was installed and built here; the data of `up` stays
	@rm -rf .venv $(TOOLS) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
