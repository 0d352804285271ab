# The commands of this repository. Each makes the virtual environment it needs, installs what is locked, and runs.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where this is set, as in many containers, each of the thousand processes that tests start would compile towpath anew: half of its start.
unexport PYTHONDONTWRITEBYTECODE

# Each version that PYTHON asks for, here or in the environment, has a virtual environment of its own: .venv-3.14, for one. Without PYTHON
# tools/python.sh finds an interpreter for .venv.
ifdef PYTHON
INTERPRETER := $(shell PYTHON='$(PYTHON)' tools/python.sh --identity)
ifndef INTERPRETER
$(error PYTHON=$(PYTHON) cannot be used)
endif
VENV := .venv-$(firstword $(INTERPRETER))
else
VENV := .venv
endif
PY := $(VENV)/bin/python

##@ Everyday

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## "; print "usage: make TARGET, or make TARGET PYTHON=python3.14" } \
	     /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	     /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---------------------------------------------------------------------------------------------------- environment
# A stamp says that a lock file was installed. Its name holds the checksum of all that decides what is installed, so it is out of date
# exactly when that changed, whatever git did to the files' times. The place counts too: an environment does not survive being moved.

NATIVE := src/towpath/_wire/json/_text.h src/towpath/_wire/json/_writer.c
stamp = $(VENV)/.installed-$(1)-$(shell { echo "$(CURDIR) $(INTERPRETER)"; cat requirements/$(1).lock pyproject.toml reference/skyline/pyproject.toml reference/shop/layers/pyproject.toml $(NATIVE); } | cksum | cut -d ' ' -f 1)
RUN := $(call stamp,run)
NEW := $(call stamp,new)
DEV := $(call stamp,dev)
BENCH := $(call stamp,bench)

$(VENV)/.installed-%:
	@python=$$(PYTHON='$(PYTHON)' tools/python.sh) && "$$python" tools/environment.py --venv $(VENV) $(if $(PYTHON),--of-this-python) \
	    --lock requirements/$(firstword $(subst -, ,$*)).lock --stamp $@

# ------------------------------------------------------------------------------------------------------- commands

demo: $(RUN) ## Start Skyline, drive seeded traffic through it and print a report
	@$(PY) -m skyline.demo

# `make new NAME=order-book` makes ../order-book, which is a project of its own: `make -C ../order-book smoke` serves and calls it.
INTO ?= ..

new: $(NEW) ## Make a service, NAME=order-book, in the folder above or in INTO=/another/one; more options of towpath new with ARGS=
	@$(PY) -m towpath new --into '$(INTO)' $(ARGS) -- $(or $(NAME),$(error name the service, such as: make new NAME=order-book))

# How many processes share the tests: one more than there are cores that may be used, since a test often waits for a process that it
# started, or WORKERS of the environment; with 0 pytest runs them itself. A test goes to whoever is free, so that all end together, and who
# crashes (tests/watchdog.py) ends the run.
CORES = $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
WORKERS ?= $(shell expr $(CORES) + 1)
SHARED = -n $(WORKERS) --dist load --maxschedchunk 1 --max-worker-restart 0

test: $(DEV) ## Run every test, core, wire and layers covered whole; some of them, in one process, with ARGS="tests/wire -k huffman"
	@$(PY) -m pytest $(if $(ARGS),$(ARGS),--cov $(SHARED))

# Left out: what starts processes and servers (app, cli, stores, conformance, testing, labs, bench, Skyline), and of the others the long
# random and differential ones. No coverage is demanded.
FAST := tests/contracts tests/core tests/layers tests/telemetry tests/transport tests/wire
LONG := differential plans

test-fast: $(DEV) ## Those tests that take a minute or two in all, on the way; they are not enough for a change to land
	@$(PY) -m pytest -q $(SHARED) $(FAST) -m 'not untraced' $(LONG:%=--ignore-glob='*/test_*%*')

check: check-format check-lint check-types check-imports check-shape check-generated check-contracts check-docs ## Format, lint, types, imports, shape, generated code, documentation

bench: $(BENCH) ## Measure towpath beside its peers and print the ratios
	@$(PY) -m bench $(ARGS)

labs: $(BENCH) ## Answer engineering questions by experiment; one of them with ARGS="hedging --seeds 10"
	@$(PY) -m labs $(ARGS)

docs: $(DEV) ## Build the documentation as a site, build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build && echo build/site/index.html

gen: $(DEV) ## Compile every contract of this repository to Python
	@$(MAKE) generate GEN_FLAGS=

dist: $(DEV) ## Build the sdist and the wheels, with the JSON writer in C and without it, into dist/
	@$(PY) tools/dist.py $(ARGS)

##@ Parts of check

define title
	@printf '\n== %s\n' "$(1)"
endef

check-format: $(DEV) ## Is every file formatted? (mend: make format)
	$(call title,format)
	@$(PY) -m ruff format --check . || { echo "mend it with: make format"; exit 1; }

check-lint: $(DEV) ## ruff, with every rule that is not switched off for a reason
	$(call title,lint)
	@$(PY) -m ruff check --quiet . && echo "ruff: nothing found"

check-types: $(DEV) ## pyright, strict
	$(call title,types)
	@$(PY) -m basedpyright

check-imports: $(DEV) ## Do dependencies point down? (import-linter)
	$(call title,imports)
	@$(VENV)/bin/lint-imports --no-logo

check-shape: $(DEV) ## Sizes, names, public names, nothing empty, nothing of one machine (tests/architecture)
	$(call title,shape)
	@$(PY) -m pytest -q --no-header tests/architecture

check-generated: $(DEV) ## Is the generated code what the contracts say? (mend: make gen)
	$(call title,generated code)
	@$(MAKE) generate GEN_FLAGS=--check || { echo "mend it with: make gen"; exit 1; }

check-contracts: $(DEV) ## buf lint, rule set STANDARD; the graphs of the services in reference
	$(call title,contracts)
	@$(PY) -m pytest -q --no-header tests/contracts/test_lint.py
	@$(VENV)/bin/towpath check reference/skyline/system.toml
	@$(VENV)/bin/towpath check reference/shop/system.toml

check-docs: $(DEV) ## Is the reference what the source says (mend: make reference), and does the site build without a warning?
	$(call title,documentation)
	@$(PY) -m tools.reference --check || { echo "mend it with: make reference"; exit 1; }
	@$(MAKE) docs

##@ Upkeep

format: $(DEV) ## Format every file and mend what ruff can mend
	@$(PY) -m ruff check --quiet --fix-only . ; $(PY) -m ruff format .

snapshot: $(DEV) ## Accept today's public names (tests/architecture/public_names.txt)
	@$(PY) -m tests.architecture.public_names

reference: $(DEV) ## Write docs/reference from the source
	@$(PY) -m tools.reference

lock: $(DEV) ## Resolve requirements/*.lock anew from pyproject.toml
	@VENV=$(VENV) tools/lock.sh

# Every root of contracts, each with the folder that its code goes to. The bench makes the code of all its peers anew in each run.
generate:
	@$(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root proto --out src/towpath/_gen --ship-protos proto/towpath/v1
	@$(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root proto --out src/towpath/_admin/gen --import-prefix towpath._admin.gen --ship-protos \
	    --no-fakes proto/towpath/admin
	@$(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root reference/skyline/proto --out reference/skyline/src reference/skyline/proto
	@for service in catalogue cart checkout; do $(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root reference/shop/$$service/proto \
	    --out reference/shop/$$service/src reference/shop/$$service/proto || exit 1; done
	@$(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root tests/proto --out tests/gen tests/proto
	@$(VENV)/bin/towpath gen $(GEN_FLAGS) --proto-root labs/proto --out . labs/proto

.PHONY: help demo new test test-fast check bench labs docs gen dist check-format check-lint check-types check-imports check-shape check-generated \
	check-contracts check-docs format snapshot reference lock generate
