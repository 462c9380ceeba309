# Every target does its own set-up: a virtual environment with pinned packages, and the Pulumi CLI where it is needed.
.PHONY: help demo test lint emulate clean runtime dev
.NOTPARALLEL:
python := .venv/bin/python

help:
	@echo "make demo      Coder and Port emulated, the real Pulumi engine: watch Port converge"
	@echo "make test      the tests"
	@echo "make lint      ruff, mypy, zizmor"
	@echo "make emulate   Coder and Port emulated on the ports of the dev stack, in the foreground"
	@echo "make clean     removes .venv, .coderport and caches"

demo: runtime
	@$(python) -m coderport demo

emulate: runtime
	@$(python) -m coderport emulate

test: dev
	@$(python) -m coderport engine
	$(python) -m pytest

lint: dev
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/zizmor --offline --quiet .github/workflows

runtime:
	@scripts/setup requirements.txt

dev:
	@scripts/setup requirements-dev.txt

clean:
	rm -rf .venv .coderport .mypy_cache .pytest_cache .ruff_cache .hypothesis
