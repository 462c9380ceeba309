# Every target does its own set-up: a virtual environment with pinned packages, and the Pulumi CLI where it is needed.
.PHONY: help demo test lint emulate conformance openapi site bench bench-small clean runtime dev
.NOTPARALLEL:
unexport PYTHONHOME PYTHONPATH
python := .venv/bin/python

help:
	@echo "make demo      Coder and Port emulated, the real Pulumi engine: watch Port converge, in a browser (DEMO=--no-browser: without)"
	@echo "make test      the tests"
	@echo "make lint      ruff, mypy, zizmor"
	@echo "make emulate   Coder and Port emulated on the ports of the dev stack, in the foreground"
	@echo "make conformance  the probes of conformance, asked of the emulators"
	@echo "make openapi   both emulators held to the OpenAPI documents, where those are at hand"
	@echo "make site      the site of docs/, into site/; every link has to lead somewhere"
	@echo "make bench     what a run costs at 1,000, 10,000 and 20,000 workspaces: more than an hour (bench-small: some ten minutes)"
	@echo "make clean     removes .venv, .coderport and caches"

demo: runtime
	@$(python) -m coderport demo $(DEMO)

emulate: runtime
	@$(python) -m coderport emulate

bench: runtime
	@$(python) -m benchmarks $(BENCH)

bench-small: runtime
	@$(python) -m benchmarks --small $(BENCH)

conformance: runtime
	@$(python) -m coderport.conformance.emulated

openapi: dev
	$(python) -m pytest -rs tests/test_openapi.py

site:
	@scripts/setup requirements-site.txt
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet
	@echo "site/index.html"

test: dev
	@$(python) -m coderport engine
	$(python) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: dev
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/zizmor --offline --quiet --persona auditor .github

runtime:
	@scripts/setup requirements.txt

dev:
	@scripts/setup requirements-dev.txt

clean:
	rm -rf .venv .coderport site .mypy_cache .pytest_cache .ruff_cache .hypothesis
