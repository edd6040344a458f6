PYTHON ?= python3.11
VENV := .venv
PEER := .cache/peers/rectools
READY := $(VENV)/.ready

.PHONY: setup run test test-slow lint types lock peers
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): requirements.txt pyproject.toml scripts/setup_env.py
	@$(PYTHON) scripts/setup_env.py --venv $(VENV)
	@touch $@

run: $(READY)
	@$(VENV)/bin/sessionrec run

test: $(READY)
	@$(VENV)/bin/python -m pytest -m "not slow"

test-slow: $(READY)
	@$(VENV)/bin/python -m pytest -m slow

lint: $(READY)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: $(READY)
	@$(VENV)/bin/mypy

# The lock is for the newest glibc that set-up provides, whatever the host has.
lock: $(READY)
	@$(VENV)/bin/uv pip compile pyproject.toml --group dev --python-version 3.11 \
		--python-platform x86_64-manylinux_2_39 --no-header -o requirements.txt

# What `sessionrec benchmark --peers rectools-sasrec` runs; UV_TORCH_BACKEND=cpu spares CUDA's part.
peers: $(READY)
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(PYTHON) $(PEER)
	@$(VENV)/bin/uv pip install --quiet --python $(PEER) -r benchmarks/peers/rectools.txt
