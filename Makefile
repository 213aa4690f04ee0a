# What a newcomer needs: `make run` and `make test`. Everything goes into .venv, node_modules and Debian's packages.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Debian packages that the tests need: the client of the README, certificates, load, network namespaces, XFS and ext4,
# failing system calls, a clock that steps, a scraper, a browser. A command that is named otherwise than its package
# stands before it.
TEST_PACKAGES := curl openssl wrk ip:iproute2 xfs_io:xfsprogs mkfs.ext4:e2fsprogs strace faketime prometheus chromium

.PHONY: run install test test-packages check format lock clean

run: install  ## start a node on localhost:9900 with its store in ./taskpusher-data
	@$(BIN)/taskpusher --log-level=debug --address=localhost:9900 --store=taskpusher-data

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "TaskPusher needs Python 3.11 or newer"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	    echo "Python cannot make an environment; the Debian package python3-venv, which can, is installed now"; \
	    $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv sync --quiet --active --locked --inexact
	@touch $@

# What checks the page's JavaScript, and only that: neither `make run` nor the wheel needs Node.js.
node_modules/installed: package.json package-lock.json
	@command -v npm >/dev/null || { \
	    echo "The page's JavaScript is checked with Node.js, which is installed now"; \
	    $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends nodejs npm; }
	@echo "Installing into node_modules ..."
	@npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

test-packages:
	@PATH=$$PATH:/usr/sbin; missing=""; for package in $(TEST_PACKAGES); do \
	    command -v $${package%:*} >/dev/null || missing="$$missing $${package#*:}"; done; \
	if [ -n "$$missing" ]; then \
	    echo "The tests need these Debian packages, which are installed now:$$missing"; \
	    $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi

test: install node_modules/installed test-packages  ## install what the tests need and run them all
	$(BIN)/python -m pytest

check: install node_modules/installed  ## lint, format, types, floors; the page's JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	node_modules/.bin/tsc
	node_modules/.bin/eslint --max-warnings=0 shared/taskpusher/ui

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## after a change of dependencies; what is installed follows with the next `make install`
	@[ -x $(BIN)/uv ] || $(MAKE) install
	$(BIN)/uv lock

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
