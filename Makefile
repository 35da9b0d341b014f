# Everything sets itself up: a virtual environment in .venv, made anew when the dependencies change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests run two at a time: more than one thread for each would only be in the other's way. Those of a file run
# together, for they share servers. They start hundreds of processes: modules are compiled once, whatever the
# environment says.
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: demo test test-slow soak bench lint format services clean

demo: $(READY)  ## See it work; IMAGE=path.tif takes an image of your own.
	$(BIN)/python -m demo $(if $(IMAGE),"$(IMAGE)")

test: lint services  ## Linters, types, import contracts, tests.
	$(TEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not soak"

test-slow: $(READY) services  ## The tests that take minutes.
	$(TEST) -m slow

soak: $(READY) services  ## Hundreds of jobs while processes are killed at random; JOBS=50 for fewer.
	JOBS=$(or $(JOBS),500) $(TEST) -m soak

bench: $(READY)  ## Quality and speed; PPN2V_SRC=folder compares with the published code.
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

# Some systems ship Python without venv; their package manager has it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("ClearScope needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update && apt-get install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .cache demo-output bench-output
