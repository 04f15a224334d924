# Everything that a fresh machine needs; each target builds .venv by itself. `make` alone prints the list.
PYTHON ?= python3
# The oldest Python, for `make test-oldest`: a command, or the path of an interpreter.
OLDEST ?= python3.10
# Two workers of one thread each: small tensors gain nothing from more, and spinning threads would fight for the cores.
THREADS ?= 1
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TESTS := -m pytest -n 2 --pyargs splinegeo tests
PYTEST := OMP_NUM_THREADS=$(THREADS) $(BIN)/python $(TESTS)

.PHONY: help demo test test-slow test-oldest test-wheel lint benchmark scaling clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

demo: .venv/demo.stamp ## train on real digits and animate the exact partition: results in demo/
	$(BIN)/splinegeo demo --out demo

test: .venv/dev.stamp lint ## lint, types, doctests and tests
	$(PYTEST) -m "not slow"

test-slow: .venv/dev.stamp ## all tests, the slow ones among them
	$(PYTEST)

test-oldest: .venv/pyvenv.cfg ## the tests with the oldest Python and the oldest libraries that are allowed
	$(INSTALL) uv
	$(BIN)/uv venv --quiet --clear --python $(OLDEST) .venv-oldest
	$(BIN)/uv pip install --quiet --resolution lowest-direct --python .venv-oldest/bin/python -e ".[dev]"
	OMP_NUM_THREADS=$(THREADS) .venv-oldest/bin/python $(TESTS) -m "not slow"

test-wheel: .venv/pyvenv.cfg ## build a wheel, install it in a fresh environment elsewhere, and run the small demo there
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	place=$$(mktemp -d) && trap "rm -rf $$place" EXIT && $(PYTHON) -m venv $$place/env && \
	$$place/env/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		"$$(ls $(CURDIR)/dist/*.whl)[demo]" && \
	cd $$place && env/bin/splinegeo demo --quick --out demo && ls demo

lint: .venv/dev.stamp ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/oxlint --quiet --deny-warnings viz

benchmark: .venv/benchmark.stamp ## times beside other tools
	$(BIN)/python -m benchmarks.compare

scaling: .venv/benchmark.stamp ## times of growing networks
	$(BIN)/python -m benchmarks.scaling

clean: ## remove what the other targets made
	rm -rf .venv .venv-oldest build dist demo *.egg-info

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

# One stamp for each set of extras: make installs again only when the project's own needs change.
.venv/%.stamp: pyproject.toml setup.py constraints.txt .venv/pyvenv.cfg
	$(INSTALL) -e ".[$*]"
	@touch $@
