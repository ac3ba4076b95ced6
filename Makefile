# Everything that people and CI run. A second call does no set-up again.
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN    := $(VENV)/bin
# a file's tests share its servers, so a file is one worker's
PYTEST := $(BIN)/python -m pytest --numprocesses $(or $(WORKERS),2) --dist loadfile
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test serve check evaluate test-vllm soak bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Python 3.11 to 3.13 is needed; set PYTHON=/path/to/it"; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Setting up $(VENV): a few minutes, once ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Setting up $(VENV) for development: a few minutes, once ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.train: $(VENV)/.dev
	@$(PIP) --editable '.[dev,train]'
	@touch $@

demo: $(VENV)/.runtime ## index the shipped clinic, serve it, ask over v1, v2 and gRPC, stop
	@$(BIN)/python -m agentic_rag.serving.demo

serve: $(VENV)/.runtime ## serve on ports 8080 and 8081
	@$(BIN)/agentic-rag serve

test: $(VENV)/.dev ## run the tests
	@$(PYTEST)

check: $(VENV)/.dev ## the gate: format, lint, types, floors, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(PYTEST)

evaluate: $(VENV)/.runtime ## measure the agent, and fail where it got worse; build/evaluation.html shows it
	@mkdir -p build
	@$(BIN)/agentic-rag evaluate --suite all --gate --html build/evaluation.html \
	  --thresholds src/agentic_rag/evaluation/reached.yaml

test-vllm: $(VENV)/.dev ## the agent in front of a real vLLM on the CPU
	@$(BIN)/python tests/vllm/setup_vllm.py
	@REQUIRE_VLLM=1 $(BIN)/python -m pytest tests/vllm -m 'vllm and not soak'

soak: $(VENV)/.train ## the proofs that take minutes, with a real vLLM where one is asked for
	@$(BIN)/python tests/vllm/setup_vllm.py
	@REQUIRE_VLLM=1 $(BIN)/python -m pytest -m soak

bench: $(VENV)/.dev ## throughput and latency beside a bare KServe model
	@$(BIN)/python benchmarks/serving.py

clean: ## remove what was set up and indexed here
	rm -rf $(VENV) .venv-vllm .agentic-rag
