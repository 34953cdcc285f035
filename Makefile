# Every target works from a clean clone, as root or not: it installs what is missing first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Processes that share the tests; each has its own servers.
WORKERS ?= 2
# More of pytest's own flags: make test PYTEST_FLAGS="-k gate -x"
PYTEST_FLAGS ?=
# Where `make screenshots` puts its pictures.
PICTURES ?= build/screenshots

.PHONY: help install up test check bench soak screenshots lock reference clean

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv with what is locked

# Hatchling is locked too and builds without isolation, so that nothing unlocked is ever installed.
$(STAMP): requirements.lock pyproject.toml
	$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	touch $@

up: install ## Run everything in the foreground; Ctrl-C stops it
	$(BIN)/stepwell up

test: install ## Run every test
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadfile $(PYTEST_FLAGS)

check: install ## Format, lint, types, import rules, then every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(MAKE) test

bench: install ## Measure speed, as ratios of one run
	$(BIN)/python -m tests.benchmarks

soak: install ## Run what takes hours: long fuzzing, big moves, endurance
	$(BIN)/pytest -m soak --timeout=0 $(PYTEST_FLAGS)

screenshots: install ## Take pictures of every page: light, dark, on a phone
	rm -rf $(PICTURES) && mkdir -p $(PICTURES)
	STEPWELL_TEST_SCREENSHOTS=$(abspath $(PICTURES)) $(BIN)/pytest tests/web/browser
	@echo "$(PICTURES): $$(find $(PICTURES) -name '*.png' | wc -l) pictures"

lock: install ## Write requirements.lock anew from pyproject.toml
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --upgrade --extra dev \
		--generate-hashes --custom-compile-command 'make lock' \
		--output-file requirements.lock

reference: install ## Write the generated pages of docs/reference anew
	$(BIN)/python -m tests.house.pages --write

clean: ## Remove what was built; data of `make up` stays (.stepwell)
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
