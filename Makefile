# The two commands: `make demo` and `make test`. Everything works in .venv; nothing else on the machine is changed,
# but for libarchive, which is installed where the system's package manager can do so without a question.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Two processes share the tests; each test module stays on one of them.
WORKERS ?= -n 2 --dist loadfile

.PHONY: demo test test-slow torture soak format lint types clean

demo: $(STAMP) libarchive
	$(BIN)/ogaart demo $(ARGS)

test: $(STAMP) libarchive lint types
	$(BIN)/pytest -m "not slow" $(WORKERS) $(ARGS)

test-slow: $(STAMP) libarchive
	$(BIN)/pytest -m slow --timeout 1500 $(WORKERS) $(ARGS)

torture: $(STAMP) libarchive
	$(BIN)/python -W ignore -m ogaart_tests.torture $(ARGS)

soak: $(STAMP) libarchive
	$(BIN)/python -W ignore -m ogaart_tests.torture --soak $(ARGS)

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
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

clean:
	rm -rf .venv demo-data
