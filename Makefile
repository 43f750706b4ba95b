# The two commands: `make demo` and `make test`. Everything is installed in .venv; nothing else on the machine changes,
# except that libarchive is installed where the system's package manager can do so without a prompt.
PYTHON ?= python3
# TORCH=cpu takes PyTorch without CUDA from PyTorch's own index: on Linux 0.2 GB instead of 4 GB. TORCH_INDEX names a
# mirror of that index.
TORCH ?=
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt
# Processes share the tests; each test module stays on one of them, and the tests of the shared demo do. The tests wait
# a third of their time and more, for clocks, sockets and children: one process more than two cores makes use of it.
SHARED := --dist loadfile --no-loadscope-reorder
# The tests start hundreds of Python processes, each of which would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow cluster test-qdrant torture soak quality bench check-wheel format lint types clean

demo: $(STAMP) libarchive
	$(BIN)/ogaart demo $(ARGS)

test: $(STAMP) libarchive lint types
	$(BIN)/pytest -m "not slow and not cluster and not qdrant" -n $(or $(WORKERS),3) $(SHARED) $(ARGS)

test-slow: $(STAMP) libarchive
	$(BIN)/pytest -m slow --timeout 1500 -n $(or $(WORKERS),3) $(SHARED) $(ARGS)

# PostgreSQL, Redis, an S3 server and Celery workers, over one data root and over one each; apt-get install redis-server postgresql
cluster: $(STAMP) libarchive
	$(BIN)/pytest -m cluster ogaart_tests/cluster ogaart_tests/bucket $(ARGS)

# The contract tests of the index against a real Qdrant server: QDRANT_URL=http://127.0.0.1:6333 make test-qdrant
test-qdrant: $(STAMP)
	$(BIN)/pytest -rs -m qdrant ogaart_tests/resources/index $(ARGS)

torture: $(STAMP) libarchive
	$(BIN)/python -W ignore -m ogaart_tests.torture $(ARGS)

soak: $(STAMP) libarchive
	$(BIN)/python -W ignore -m ogaart_tests.torture --soak $(ARGS)

quality: $(STAMP) libarchive
	$(BIN)/python -W ignore -m benchmarks.quality $(ARGS)

bench: $(STAMP) libarchive
	$(BIN)/python -W ignore -m benchmarks.bench $(ARGS)

check-wheel: $(STAMP) libarchive
	$(BIN)/python tools/check_wheel.py

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: libarchive
libarchive: $(STAMP)
	@$(BIN)/python tools/require_libarchive.py

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@[ -z "$(TORCH)" ] || [ "$(TORCH)" = cpu ] || { echo "TORCH=$(TORCH): the only choice is cpu" >&2; exit 1; }
	@# The build without CUDA satisfies the same constraints, so the second command keeps it.
	@[ -z "$(TORCH)" ] || $(PIP) --no-deps --index-url $(TORCH_INDEX) torch torchvision
	$(PIP) --editable '.[dev]'
	@touch $(STAMP)

clean:
	rm -rf .venv demo-data
