# Every target sets up what it needs: a virtual environment in .venv, rebuilt when the dependencies change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Three tests run at a time, with one thread each: those of servers and workers mostly wait. The tests of a file run
# in one process because they share servers. Tests start hundreds of processes, so Python caches compiled modules
# even if the environment forbids it.
TEST_ENVIRONMENT := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1
TEST := $(TEST_ENVIRONMENT) $(BIN)/pytest
SHORT := -m "not slow and not soak and not e2e"
THREE_AT_A_TIME := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo docs test test-newer test-slow soak e2e bench lint format services image-tools clean

demo: $(READY)  ## Denoise a sample image; IMAGE=path.tif denoises your own, STAY=1 keeps the server with the portal.
	$(BIN)/python -m demo $(if $(IMAGE),"$(IMAGE)") $(if $(STAY),--stay)

docs: $(READY)  ## The documentation as a static site in site/: four paths, method, references. Broken links fail.
	$(BIN)/python -m docs_site

test: lint services  ## Linters, types, import contracts, tests.
	$(TEST) $(SHORT) $(THREE_AT_A_TIME)
	@$(MAKE) --no-print-directory test-newer NEWER_TESTS="$(TESTS_OF_READERS)"

# Newer Pythons get newer versions of the packages that read and write image files. `make test` runs the tests of these
# packages on one; `make test-newer`, with which `make test-slow` begins, runs all tests of files and the store. They
# need no torch, and one process takes half the processor time that two take to start their services. The excluded one
# tests our own rules for jobs, which do not depend on the Python version, and takes a fifth of the time.
NEWER_TESTS := tests/store tests/files
TESTS_OF_READERS := $(addprefix tests/files/test_,$(addsuffix .py,reader_contract vendor_data vendor_files formats \
	result_readers result_instrument writer ome_files zarr_images sif spe mrc_and_ims dm_and_dcimg))
LEFT_OUT := tests/store/test_lifecycle_machine.py
READERS_VENV := .venv-readers
READERS_READY := $(READERS_VENV)/.ready
NEWER_VENV := .venv-newer
NEWER_READY := $(NEWER_VENV)/.ready
NEWER_VERSIONS = $(shell $(BIN)/python -c \
	'import sys; print(*(f"3.{minor}" for minor in range(14, sys.version_info.minor, -1)))')
# The newest Python on the PATH or in pyenv's folder, if it is newer than that of .venv.
NEWER_PYTHON = $(firstword $(foreach version,$(NEWER_VERSIONS),$(shell \
	for python in python$(version) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(version).*/bin/python$(version); do \
		"$$python" -c 'import ensurepip, sqlite3, ssl, venv' 2>/dev/null && echo "$$python"; done)))
test-newer: $(READY) services  ## Tests of the store and the file readers on a newer Python; NEWER_PYTHON=path names it.
	@$(if $(NEWER_PYTHON), \
		$(MAKE) --no-print-directory NEWER_PYTHON="$(NEWER_PYTHON)" $(NEWER_READY) && \
		$(TEST_ENVIRONMENT) $(NEWER_VENV)/bin/pytest $(SHORT) $(NEWER_TESTS) --ignore $(LEFT_OUT), \
		echo "There is no Python newer than that of $(VENV): $(NEWER_TESTS) are not tested on another.")

$(NEWER_READY): pyproject.toml client/pyproject.toml constraints.txt
	$(NEWER_PYTHON) -m venv --clear $(NEWER_VENV)
	$(NEWER_VENV)/bin/pip install --quiet --no-compile --constraint constraints.txt \
		--editable client --editable '.[server,test]'
	touch $@

test-slow: $(READY) $(READERS_READY) services image-tools test-newer  ## Tests that take minutes.
	$(BIN)/pip install --quiet --constraint constraints.txt --editable 'client[imaging-server-kit]' \
		--editable '.[pycromanager]'
	CLEARSCOPE_OTHER_PROGRAMS=$(CURDIR)/$(READERS_VENV)/bin/python $(TEST) -m slow

# Programs that open results, in an environment of their own.
$(READERS_READY): tests/support/other_programs.txt
	$(BIN)/python -m venv --clear $(READERS_VENV)
	$(READERS_VENV)/bin/pip install --quiet --no-compile --requirement tests/support/other_programs.txt
	touch $@

soak: $(READY) services  ## Hundreds of jobs while processes are killed at random; JOBS=50 runs fewer.
	JOBS=$(or $(JOBS),500) $(TEST) -m soak

e2e: $(READY) services  ## People's ways through the portal in Chromium; leaves the pictures of docs/portal.md.
	$(TEST) -m e2e

bench: $(READY)  ## Quality and speed benchmarks; PPN2V_SRC=folder compares with the published code.
	$(BIN)/python -m benchmarks

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Tests and benchmarks start these themselves, on private ports.
SERVICES = command -v redis-server >/dev/null && command -v jq >/dev/null && command -v curl >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && command -v nginx >/dev/null && command -v faketime >/dev/null && command -v chromium >/dev/null
services:
	@{ $(SERVICES); } || { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server postgresql nginx faketime chromium curl jq; }

# They build the images of docker/ without a container engine, as root; elsewhere that test is skipped.
IMAGE_TOOLS = buildah debootstrap
image-tools:
	@command -v buildah >/dev/null && command -v debootstrap >/dev/null || [ "$$(id -u)" != 0 ] \
		|| ! command -v apt-get >/dev/null \
		|| { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(IMAGE_TOOLS); }

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Some systems ship Python without venv; install it from their package manager.
$(READY): pyproject.toml client/pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("ClearScope needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update && apt-get install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable client --editable '.[embedded,dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) $(NEWER_VENV) $(READERS_VENV) .cache demo-output bench-output site
