# make alone prints this page's targets. Two commands set everything up on a fresh machine: make run, make test.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# the first Python that is new enough; PYTHON=... chooses another
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
BIN := .venv/bin
ENGINE ?= podman

# compiled once, outside the tree: a test starts dozens of processes
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(or $(CONVOBOSS_CACHE),$(CURDIR)/.cache)/pycache

PACKAGES := libs services cli tools docs

.PHONY: help setup run demo regimes reset bench faults fuzz laws test test-clone check format types imports docs topics lock image clean

help:
	@awk 'BEGIN { print "Convoboss Human Takeover" } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { split($$0, part, ":.*## "); printf "  make %-12s %s\n", part[1], part[2] }' Makefile

##@ See it
run: setup ## everything on this machine, until Ctrl-C (CHANNEL=file.yaml connects a Facebook page)
	@exec $(BIN)/python -m local run --parent $$PPID $(if $(CHANNEL),--channel "$(CHANNEL)")
demo: setup ## plays the story once, prints its timeline, fails when a step is not as told
	@exec $(BIN)/python -m local demo --parent $$PPID
regimes: setup ## the story on every kind of Facebook page, and with every fault that Facebook can have, in two minutes
	@CONVOBOSS_PAGE_PAUSE=2 exec $(BIN)/python -m local regimes --parent $$PPID
reset: setup ## wipes the data of make run
	@$(BIN)/python -m local reset
topics: setup ## creates the topics on the Kafka that CONVOBOSS_KAFKA_BOOTSTRAP names
	@$(BIN)/python -m runtime.topics

##@ Work on it
test: setup ## all tests (ARGS="services/takeover -k timer" runs some)
	@$(BIN)/pytest $(if $(ARGS),$(ARGS),-n auto --maxprocesses 4 --dist loadfile)
bench: setup ## figures beside a peer in the same run, some minutes: a table and build/bench.json (ARGS="switch" measures one)
	@$(BIN)/python -m bench $(ARGS)
faults: setup ## everything under load, broken in every way for ten minutes, and what went wrong: a table and build/faults.json
	@PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)
laws: setup ## the laws of ownership for as long as you like, at the lowest priority (ARGS="--depth 6 --runs 20000 --minutes 30")
	@nice -n 19 $(BIN)/python services/takeover/tests/endurance.py $(ARGS)
fuzz: setup ## the webhook with bodies that a fuzzer makes up, SECONDS=60 of it; what it learns stays in build/fuzz
	@$(BIN)/python services/ingress/tests/fuzz.py --seconds $(or $(SECONDS),60) --corpus build/fuzz/corpus
check: setup ## formatting, lint, types, imports between packages, generated pages
	@$(BIN)/ruff format --check --quiet . || { echo "make format repairs this"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(MAKE) types imports
	@$(BIN)/python docs/generate.py --check
format: setup ## formats, and repairs what lint can repair
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
types: setup ## mypy --strict, a package root at a time
	@$(BIN)/mypy $(PACKAGES)
imports: setup ## import-linter's contracts
	@$(BIN)/lint-imports
docs: setup ## writes the generated pages anew: docs/*.md, openapi.json
	@$(BIN)/python docs/generate.py
	@mkdir -p build && $(BIN)/python -m console openapi > build/openapi.json && mv build/openapi.json services/console/openapi.json

##@ Keep it up
setup: ## the Python environment in .venv; the other targets do this by themselves
	@if ! $(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "Convoboss needs Python 3.11 or newer; $(if $(PYTHON),$(PYTHON) is older or does not run,none is on the PATH)." >&2; \
		echo "Install it (apt install python3.11 python3.11-venv, or brew install python)," >&2; \
		echo "or name one that is there: make PYTHON=/path/to/python3.12 run" >&2; exit 1; fi
	@exec $(PYTHON) tools/local/bootstrap.py
lock: setup ## resolves all dependencies anew: requirements/*.txt and Kafka's jars
	@for name in uv base dev; do $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@$(BIN)/python -m local lock-jars
image: ## one image for all services, of the last commit (ENGINE=docker; BASE=... where the base comes from a mirror)
	@git archive HEAD | $(ENGINE) build -f deploy/Containerfile $(if $(BASE),--build-arg BASE=$(BASE)) \
		-t convoboss:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) -
test-clone: setup ## make run and make test in a fresh clone with empty caches (several minutes)
	@$(BIN)/pytest -m clone tests/clone
clean: ## removes the environment, caches and build results; data stays (make reset)
	@rm -rf .venv .cache build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
