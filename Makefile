# One environment, .venv, holds the checkout itself (editable) and the versions of constraints.txt.
#   make demo      solve examples/carolina and print the plan
#   make test      every test but the slow ones        make test-all   the slow ones too, and 200 random sites
#   make lint      ruff and mypy                       make bench      this planner and its peers side by side
#   make clean     remove what make made               make bench BENCH=--quick
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
VERSIONS := pyproject.toml constraints.txt
PYTEST := $(BIN)/python -m pytest -n 2

.PHONY: demo test test-all lint bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/core.stamp
	$(BIN)/planner solve examples/carolina --out out/carolina

test: $(VENV)/test.stamp
	$(PYTEST) -m "not slow"

test-all: $(VENV)/test.stamp
	PLANNER_DRAWS=200 $(PYTEST)

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.run $(BENCH)

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1): Python 3.11 or newer is needed, make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/core.stamp: $(VENV)/made.stamp $(VERSIONS)
	$(INSTALL) -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/core.stamp
	$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/lint.stamp: $(VENV)/core.stamp
	$(INSTALL) -e '.[lint]'
	@touch $@

$(VENV)/bench.stamp: $(VENV)/core.stamp
	$(INSTALL) -e '.[bench]'
	@touch $@
