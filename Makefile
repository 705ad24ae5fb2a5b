# Every command a person needs. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup chat run test unit check bench import fetch format

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

setup:  ## both environments, model, seed release, trained Rasa; repeatable
	@$(PYTHON) scripts/setup.py >&2

chat: setup  ## talk with the assistant in the terminal
	@$(BIN)/tthc chat

run: setup  ## serve on Telegram and Zalo, by what tokens .env holds
	@$(BIN)/tthc serve

test: setup  ## all tests: those without processes side by side, then the others (with ARGS: what they name)
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not e2e and not rasa"
	@$(BIN)/python -m pytest -m "e2e or rasa"
endif

unit: setup  ## the tests that start no process (within a minute)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not e2e and not rasa" $(ARGS)

check: setup  ## ruff, mypy, import-linter, Rasa's data validation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@.venv-rasa/bin/python -m nlu.launcher validate

bench: setup  ## benchmarks: retrieval, latency, scale, NLU; prints tables
	@$(BIN)/python -m benchmarks $(ARGS)

import: setup  ## import a catalogue and publish it: make import FILE=records.jsonl.gz
	@test -n "$(FILE)" || { echo 'usage: make import FILE=records.jsonl.gz' >&2; exit 2; }
	@$(BIN)/tthc kb import "$(FILE)"
	@$(BIN)/tthc index build
	@$(BIN)/tthc kb publish

fetch: setup  ## fetch the catalogue from the national portal (hours; goes on where it stopped)
	@$(BIN)/tthc kb fetch

format:  ## format the code
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .
