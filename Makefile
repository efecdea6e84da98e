# make quickstart   train on handwritten digits, score it, show where the pictures lie
# make test         everything CI checks
# make docs         the documentation, in site/
# make clean        remove the environment and what was built; runs/ and data/ stay
#
# Each makes .venv by itself and installs into it only when pyproject.toml has changed.
# A smaller torch without CUDA:  make quickstart TORCH_INDEX=https://download.pytorch.org/whl/cpu

TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

# the first Python that is new enough; another one: make quickstart PYTHON=/path/to/python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11, 4))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: quickstart test docs clean

quickstart: $(VENV)/installed
	$(BIN)/tiae-zoo fit --config configs/quickstart.yaml
	$(BIN)/tiae-zoo test --config configs/quickstart.yaml --ckpt_path last

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/mkdocs build --strict  # --quiet would let warnings pass
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2  # a worker a core: more threads would only wait for each other

docs: $(VENV)/installed-dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find tiae_zoo tests -name __pycache__ -type d -exec rm -rf {} +

# the stamps carry the time of the last install
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/pip install torch torchvision --index-url $(TORCH_INDEX))
	$(BIN)/pip install --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/pip install torch torchvision --index-url $(TORCH_INDEX))
	$(BIN)/pip install --editable '.[dev,docs]'
	touch $@ $(VENV)/installed

$(BIN)/python:
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { \
		echo "tiae-zoo needs Python 3.11.4 or newer, and there is none on the PATH as python3." >&2; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
