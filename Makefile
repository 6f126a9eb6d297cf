# `make run` and `make test` are all that a fresh machine needs; both set up .venv from the hash-pinned lock first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One worker per core, but the real servers and browsers of the tests want some room.
WORKERS ?= auto
IMAGES := llamacpp evalscope evalscope/1.14.1 kit
INPUTS ?= 200000
ROUNDS ?= 500
LOCKS := $(filter-out images/python-base/%,$(wildcard *.lock images/*/*.lock images/*/*/*.lock))
START := $(shell date +%s)

.PHONY: run images test check bench unit fuzz soak vulnerabilities golden locks clean help

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-17s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.kit: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kit needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "python3 -m venv does not work here: on Debian and Ubuntu, apt install python3-venv"; exit 3; }
	@$(PIP) install --require-hashes --no-deps --only-binary :all: --no-compile -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps --no-index --no-compile -e .
	@touch $@

$(VENV)/.kit-dev: $(VENV)/.kit requirements-dev.lock
	@echo "adding the tools of the tests"
	@$(PIP) install --require-hashes --no-deps --only-binary :all: --no-compile -r requirements-dev.lock
	@touch $@

run: $(VENV)/.kit ## Run the smoke profile: a real server, a real load, a report
	@$(BIN)/kit run smoke
	@echo "make run took $$(($$(date +%s) - $(START))) s"

images: $(VENV)/.kit ## Fetch and build every image that needs no vendor's files; PLATFORM=linux/arm64 for the other platform
	@$(BIN)/kit image fetch $(IMAGES) $(if $(PLATFORM),--platform $(PLATFORM))
	@$(BIN)/kit image build $(IMAGES) $(if $(PLATFORM),--platform $(PLATFORM))
	@$(BIN)/kit image list

test: $(VENV)/.kit-dev ## Every test that this machine can run
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: $(VENV)/.kit-dev ## Format, lint, types, unit tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -n $(WORKERS) tests/unit

bench: $(VENV)/.kit-dev ## How true the load generator's figures are: evalscope as it comes beside kit's transport
	@$(BIN)/python -m benchmarks.load_error --all

unit: $(VENV)/.kit-dev ## Unit tests only
	@$(BIN)/python -m pytest -q tests/unit

fuzz: $(VENV)/.kit-dev ## Feed every parser of foreign input INPUTS changed inputs (200000 each unless told; hours)
	@KIT_FUZZ=$(INPUTS) $(BIN)/python -m pytest -n $(WORKERS) tests/fuzz

soak: $(VENV)/.kit-dev ## ROUNDS rounds back to back (500 unless told), 60 in containers: memory, descriptors, threads, programs and files stay flat
	@$(BIN)/python -m benchmarks.soak --rounds $(ROUNDS)
	@$(BIN)/python -m benchmarks.soak --rounds 60 --containers

vulnerabilities: $(VENV)/.kit-dev ## Known vulnerabilities of the locked Python packages; needs the network
	@$(BIN)/python tools/vulnerabilities.py $(LOCKS)

golden: $(VENV)/.kit-dev ## Rewrite the golden files; review the difference before committing it
	@KIT_GOLDEN=write $(BIN)/python -m pytest -q tests/unit

locks: $(VENV)/.kit-dev ## Resolve the locks again and show what changed
	@$(BIN)/python tools/locks.py

clean: ## Remove what the set-up made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
