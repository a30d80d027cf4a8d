# make demo         train a network and see it recognise digits; needs only Python 3.11 or newer
# make test         all tests, with PyTorch as the reference
# make check        what every commit passes: format, lint, layers, types, quick tests
# make stubs        write anew what editors read about operations, after a declaration changed
# make conformance  compare with PyTorch operator by operator (programs in ../shared/conformance)
# make conformance-compiled  the same with everything inside flambeau.compile, on fewer samples
# make conformance-vmap  the same through vmap, its gradients and jvp, on fewer samples
# make bench        compare the speed with PyTorch's and JAX's (programs in ../shared/bench)
#
# PYTHON=python3.12 chooses another Python for .venv; ARGS="..." goes to the program that is run.

# The newest that runs: a name on the PATH may be a stand-in for a version that is not installed.
FIND_PYTHON = for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$python"; break; }; done
PYTHON ?= $(shell $(FIND_PYTHON))

VENV := .venv
BIN := $(VENV)/bin
SHARED := ../shared
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check stubs conformance conformance-compiled conformance-vmap bench

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/.installed
	$(BIN)/python examples/lenet_mnist.py $(ARGS)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto -m "not slow" $(ARGS)

stubs: $(VENV)/.installed
	$(BIN)/python tools/stubs.py

conformance: $(VENV)/.installed-test
	@if [ ! -d $(SHARED)/conformance ]; then echo "$(SHARED)/conformance is not here: nothing compared"; exit 0; fi; \
	for name in surface modules optimizers ops; do \
		echo "== $$name"; $(BIN)/python $(SHARED)/conformance/$$name.py --impl flambeau $(ARGS) || exit 1; \
	done

conformance-compiled: $(VENV)/.installed-test
	@if [ ! -d $(SHARED)/conformance ]; then echo "$(SHARED)/conformance is not here: nothing compared"; exit 0; fi; \
	for program in "optimizers" "modules --max-samples 4" "ops --dtypes float32 --max-samples 2"; do \
		set -- $$program; name=$$1; shift; echo "== $$name"; \
		PYTHONPATH=tests $(BIN)/python $(SHARED)/conformance/$$name.py --impl compiled_impl "$$@" $(ARGS) || exit 1; \
	done

conformance-vmap: $(VENV)/.installed-test
	@if [ ! -d $(SHARED)/conformance ]; then echo "$(SHARED)/conformance is not here: nothing compared"; exit 0; fi; \
	PYTHONPATH=tests:$(SHARED)/conformance $(BIN)/python tests/transformed_ops.py --impl flambeau $(ARGS)

bench: $(VENV)/.installed-test
	@if [ ! -d $(SHARED)/bench ]; then echo "$(SHARED)/bench is not here: nothing measured"; exit 0; fi; \
	$(BIN)/python $(SHARED)/bench/compare.py --impls torch,raw,flambeau,flambeau-compile $(ARGS)

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "No Python 3.11 or newer found: install one, or name it: make PYTHON=..." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e ".[test]"
	@touch $(VENV)/.installed $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e ".[test,dev]"
	@touch $(VENV)/.installed $(VENV)/.installed-test $@
