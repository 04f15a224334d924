# Two commands for a fresh machine: `make demo` and `make test`. Both build .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two workers of one thread each: small tensors gain nothing from more, and spinning threads would fight for the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --pyargs splinegeo tests

.PHONY: demo test test-slow lint benchmark scaling clean

demo: .venv/demo.stamp
	$(BIN)/splinegeo demo --out demo

test: .venv/dev.stamp lint
	$(PYTEST) -m "not slow"

test-slow: .venv/dev.stamp
	$(PYTEST)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: .venv/benchmark.stamp
	$(BIN)/python -m benchmarks.compare

scaling: .venv/benchmark.stamp
	$(BIN)/python -m benchmarks.scaling

clean:
	rm -rf .venv build dist demo *.egg-info

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

# One stamp for each set of extras: make installs again only when the project's own needs change.
.venv/%.stamp: pyproject.toml constraints.txt .venv/pyvenv.cfg
	$(INSTALL) -e ".[$*]"
	@touch $@
