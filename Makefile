# The newest that runs and has venv. Set-up says what is wrong with any other, or fetches one.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11; do \
	$$name -c "import ensurepip" 2> /dev/null && echo $$name && exit; done; echo python3)
VENV := .venv
PEERS := .cache/peers
READY := $(VENV)/.ready

.PHONY: setup run test test-slow browser containers image lint types docs lock peers
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): requirements.txt pyproject.toml scripts/setup_env.py scripts/host.py
	@command -v $(PYTHON) > /dev/null || { echo "set-up: there is no $(PYTHON). Install with:" \
		"sudo apt install g++ python3-dev python3-venv or sudo dnf install gcc-c++ python3.13-devel"; \
		exit 1; }
	@$(PYTHON) -m scripts.setup_env --venv $(VENV)
	@touch $@

run: $(READY)
	@$(VENV)/bin/sessionrec run

test: $(READY)
	@$(VENV)/bin/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

# In the order of folders, which ends with short files: neither process waits long for the other.
test-slow: $(READY)
	@$(VENV)/bin/python -m pytest -m slow --numprocesses 2 --dist loadfile \
		--no-loadscope-reorder --durations 12

# The slow tests look at the report in a browser.
browser:
	@command -v chromium > /dev/null || (apt-get -q update && apt-get -q install -y chromium)

# The slow tests make a Debian 13 and build the image.
containers:
	@(command -v debootstrap && command -v buildah) > /dev/null || \
		(apt-get -q update && apt-get -q install -y debootstrap buildah)

image: containers
	@$(PYTHON) -m scripts.image localhost/sessionrec

lint: $(READY)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: $(READY)
	@$(VENV)/bin/mypy

docs: $(READY)
	@$(VENV)/bin/mkdocs build --strict --site-dir output/docs

# One lock with markers for each Python that pyproject.toml allows.
lock: $(READY)
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--quiet --no-header --output-file requirements.txt

# What only benchmarks need: RecTools in an environment of its own (UV_TORCH_BACKEND=cpu spares
# CUDA's part) and with a Python that its lock is for, Polars and DuckDB in a folder beside ours.
peers: $(READY)
	@$(VENV)/bin/uv venv --quiet --allow-existing --python ">=3.11,<3.13" $(PEERS)/rectools
	@$(VENV)/bin/uv pip install --quiet --python $(PEERS)/rectools -r benchmarks/peers/rectools.txt
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps \
		--target $(PEERS)/dataframes -r benchmarks/peers/dataframes.txt
