# The daily commands. `make demo` and `make test` need only git, python3 (3.11 or newer), make and the package registries.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin
QUICK := not slow and not postgres and not browser and not notebook and not client
LOCK := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	--constraint requirements/limits.in
LOWEST := .venv-lowest

.DEFAULT_GOAL := help
.PHONY: help demo serve check format lint types-mypy types-pyright contracts unit test luck prove lowest lock hooks wheel \
	clean python service dev machine

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: service ## the main job: real data, a three-arm experiment, its report; service and dashboard stay up
	@$(BIN)/offerlab demo $(ARGS)

serve: service ## the service without data, on http://127.0.0.1:8000
	@$(BIN)/offerlab serve $(ARGS)

check: dev ## every day: format, lint, types, imports, quick tests with coverage, docs
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit types-pyright types-mypy lint contracts

test: dev machine ## everything on SQLite and PostgreSQL, with browser, notebooks and clients
	@$(BIN)/python scripts/suite.py -m "not slow" --numprocesses=$(WORKERS) --dist=worksteal

luck: dev ## the quick tests with salts and examples drawn anew: a test that hangs on luck shows itself
	@OFFERLAB_LUCK=yes $(BIN)/python -m pytest -m "$(QUICK)" --numprocesses=$(WORKERS) --dist=worksteal --quiet

prove: dev machine ## the long proofs: calibration, chaos, big data
	@$(BIN)/python -m pytest -m slow

format: dev ## put the code into shape
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix-only --exit-zero --quiet

lowest: dev ## the quick tests on the lowest versions that pyproject allows
	@$(BIN)/python -m venv --clear $(LOWEST)
	@$(BIN)/python -m uv pip compile --quiet --resolution=lowest-direct --extra=postgres pyproject.toml -o $(LOWEST)/lowest.txt
	@$(BIN)/python -m uv pip install --quiet --python $(LOWEST)/bin/python \
		--constraint $(LOWEST)/lowest.txt --group test --editable '.[postgres]'
	@$(LOWEST)/bin/python -m pytest -m "$(QUICK)" -p no:cacheprovider

lock: dev ## resolve the dependencies anew: requirements/*.txt with hashes, no index named
	@$(LOCK) --extra=postgres pyproject.toml --output-file requirements/service.txt
	@$(LOCK) --extra=postgres --group=dev pyproject.toml requirements/build.in \
		--constraint requirements/service.txt --output-file requirements/dev.txt
	@$(LOCK) requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt
	@$(LOCK) requirements/postgres.in --output-file requirements/postgres.txt

hooks: dev ## run the quick part of `make check` before every commit
	@$(BIN)/pre-commit install

wheel: service ## build dist/offerlab-*.whl
	@$(BIN)/python -m hatchling build --target wheel

clean: ## remove what the other targets made, `.venv` and `.tools` excepted
	@rm -rf dist build htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis $(LOWEST)

# The parts that the targets above are made of.

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "OfferLab needs python3 3.11 or newer; name one with: make PYTHON=/path/to/python3 …" >&2; exit 1; }

service: python
	@$(PYTHON) scripts/bootstrap.py service

dev: python
	@$(PYTHON) scripts/bootstrap.py dev

machine: dev
	@PYTHONPATH=tests $(BIN)/python -m support.fetch

lint:
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check

types-mypy:
	@$(BIN)/mypy

types-pyright:
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts:
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache

unit:
	@OFFERLAB_EXAMPLES=quick $(BIN)/python scripts/suite.py -m "$(QUICK)" --numprocesses=$(WORKERS) --dist=worksteal --quiet \
		--cov --cov-branch --cov-report=term:skip-covered
