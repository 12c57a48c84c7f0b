# Two commands on a fresh machine (Python >= 3.11 and make): `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One thread a process: small tensors gain nothing from more, and two processes share the cores.
# Bytecode is written, so that the processes which tests start do not compile everything again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q
FAST := tests/test_architecture.py tests/test_language.py tests/test_names.py \
	tests/ops tests/core/data tests/core/test_metrics.py tests/core/test_objective.py \
	tests/core/test_settings.py tests/core/test_text.py tests/graphs/layers

.PHONY: env demo check test lint slow bench clean

env: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'vicinal needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Try: make PYTHON=python3.12 env')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: env
	$(BIN)/vicinal demo images

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright & types=$$!; $(PYTEST) $(FAST) && wait $$types  # at the same time

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright & types=$$!; $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder && wait $$types

slow: env
	$(PYTEST) -m "slow and not gpu and not network"

bench: env
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
