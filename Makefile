# Everything a person types. Nothing needs to be installed but Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := uv==0.13.8
SETUP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-close up down test test-browser test-thorough bench-ingest bench-ledger bench-push bench-reconcile bench-pricing check lint fix lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(SETUP)  ## Install everything into .venv, pinned by requirements.lock

$(SETUP): requirements.lock pyproject.toml
	@echo "installing into $(VENV) (pinned by requirements.lock) ..."
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Tallyledger needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(SETUP)  ## Run a real month end to end; SERVE=1 leaves everything running
	@$(BIN)/tally demo $(if $(SERVE),--serve)

demo-close: $(SETUP)  ## Three months with a trial, an upgrade, a pause and a cancellation; every invoice line proven
	@$(BIN)/tally demo --close

up: $(SETUP)  ## Start door, ledger and Dagster UI; Ctrl-C stops them
	@$(BIN)/tally up

down: $(SETUP)  ## Stop the embedded Postgres
	@$(BIN)/tally down

test: $(SETUP)  ## Lint, types, import contract, dbt tests and the test suite
	@$(MAKE) --no-print-directory -j 2 check suite  # mypy alone keeps one core busy for a minute

.PHONY: suite
suite: $(SETUP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-browser: $(SETUP)  ## The pages, in headless Chromium (needs the chromium command)
	@$(BIN)/python -m pytest -m browser tests/end_to_end

test-thorough: $(SETUP)  ## More seeds, orders and moments to kill at than fit the suite (20 minutes)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m thorough

check: $(SETUP) lint  ## Lint, types and the import contract
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lint: $(SETUP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project

fix: $(SETUP)  ## Format and mend what can be mended
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench-ingest: $(SETUP)  ## How fast the door is, against limits of this machine (20 minutes)
	@$(BIN)/python -m tests.benchmarks.bench_ingest $(BENCH)

bench-ledger: $(SETUP)  ## What keeping counters right costs, against limits of this machine (20 minutes)
	@$(BIN)/python -m tests.benchmarks.bench_ledger $(BENCH)

bench-push: $(SETUP)  ## How fast the push plans and delivers, against Stripe's limits of an account (3 minutes)
	@$(BIN)/python -m tests.benchmarks.bench_push $(BENCH)

bench-reconcile: $(SETUP)  ## A sweep of 10,000 pairs: pace, calls, a kill in the middle (8 minutes)
	@$(BIN)/python -m tests.benchmarks.bench_reconcile $(BENCH)

bench-pricing: $(SETUP)  ## How fast a million lines are priced, against a plain Decimal loop (half a minute)
	@$(BIN)/python -m tests.benchmarks.bench_pricing $(BENCH)

.PHONY: stripe-contract
stripe-contract: $(SETUP)  ## What nobody verified of Stripe, against the sandbox that STRIPE_CONTRACT_KEY (a test key) opens
	@test -n "$$STRIPE_CONTRACT_KEY" || { echo "STRIPE_CONTRACT_KEY is not set: Stripe itself was not compared"; exit 1; }
	@$(BIN)/python -m pytest -o timeout=1200 -rA tests/stripe_sandbox/test_contract_unverified.py

.PHONY: simulate
simulate: $(SETUP)  ## The push ledger against SEEDS=200 seeds and every crash point; SEED=7 repeats one, with its trace
	@$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(POINT),--point '$(POINT)') $(SIMULATE)

.PHONY: chaos
chaos: $(SETUP)  ## Kill every part in turn under load, and hold what was acknowledged against what was billed (10 minutes)
	@$(BIN)/python -m tests.chaos $(CHAOS)

lock: $(SETUP)  ## Resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --quiet --output-file requirements.lock

clean:  ## Remove the environment, the embedded database and build output
	@test ! -x $(BIN)/tally || $(BIN)/tally down
	@rm -rf $(VENV) .tally build
