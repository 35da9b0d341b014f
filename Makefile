# Every target sets up what it needs: a virtual environment in .venv, rebuilt when the dependencies change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two tests run at a time, with one thread each so that they do not compete for cores. The tests of a file run in
# one process because they share servers. Tests start hundreds of processes, so Python caches compiled modules even
# if the environment forbids it.
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: demo test test-slow soak bench lint format services clean

demo: $(READY)  ## Denoise a sample image; IMAGE=path.tif denoises your own.
	$(BIN)/python -m demo $(if $(IMAGE),"$(IMAGE)")

test: lint services  ## Linters, types, import contracts, tests.
	$(TEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not soak"

test-slow: $(READY) services  ## Tests that take minutes.
	$(TEST) -m slow

soak: $(READY) services  ## Hundreds of jobs while processes are killed at random; JOBS=50 runs fewer.
	JOBS=$(or $(JOBS),500) $(TEST) -m soak

bench: $(READY)  ## Quality and speed benchmarks; PPN2V_SRC=folder compares with the published code.
	$(BIN)/python -m benchmarks

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Tests and benchmarks start these themselves, on private ports.
SERVICES = command -v redis-server >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && command -v faketime >/dev/null
services:
	@{ $(SERVICES); } || { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server postgresql faketime; }

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Some systems ship Python without venv; install it from their package manager.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("ClearScope needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update && apt-get install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .cache demo-output bench-output
