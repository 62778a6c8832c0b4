# Everything starts here; `make help` lists the targets. Settings, as in `make book PYTHON=python3.12`:
PYTHON ?= python3
# for make test-colab, the version that Colab has
COLAB_PYTHON ?= python3.13
# passed to pip, for instance an index of CPU builds: PIP_EXTRA="--extra-index-url URL"
PIP_EXTRA ?=

BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_EXTRA)

.DEFAULT_GOAL := help
.PHONY: help venv book test test-book test-colab lab lint bench agreement yardstick statements clean set-repo

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamps are older than pyproject.toml after every edit of it, which installs again.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 10) or \
		sys.exit("Python 3.10 or newer is needed, $(PYTHON) is " + v + ": try make PYTHON=python3.11 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing into .venv (a few minutes, once; torch is most of it)"
	@$(PIP_INSTALL) -e ".[book,test]"
	@touch $@

.venv/installed-dev: .venv/installed
	@$(PIP_INSTALL) -e ".[dev]"
	@touch $@

venv: .venv/installed

book: venv  ## execute the chapters and build the book into _build/html
	@$(BIN)/jupyter-book build . -n -W --keep-going
	@echo "The book is built: open _build/html/index.html in a browser."

test: venv  ## run all tests, every chapter in its smoke profile included
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-book: book  ## build the book and test it in a browser (Chromium or Chrome)
	@$(BIN)/python -m pytest tests/test_browser.py tests/test_browser_explorers.py

.colab/installed: tests/colab.txt
	@$(COLAB_PYTHON) -m venv --clear .colab
	@.colab/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_EXTRA) -r tests/colab.txt
	@touch $@

test-colab: venv .colab/installed  ## run the last commit's chapters, each alone, with Colab's versions
	@FA_COLAB=.colab $(BIN)/python -m pytest tests/test_colab.py

lab: venv  ## open the chapters in JupyterLab
	@$(BIN)/jupyter lab book

lint: .venv/installed-dev  ## check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# A peer whose own requirements are old, so without them and outside .venv.
.bench/biotorch:
	@$(PIP_INSTALL) --no-deps --target .bench biotorch==0.0.16 || \
		echo "biotorch cannot be installed: the benchmark runs without it."

bench: venv .bench/biotorch  ## measure the speed, side by side with peers (idle machine, 20 minutes)
	@$(BIN)/python -m benchmarks.speed

agreement: venv .bench/biotorch  ## compare fa_lib's layers with biotorch's on the same weights (a minute)
	@$(BIN)/python -m benchmarks.agreement

yardstick: venv  ## train LeNet beside biotorch's published error rates (an hour on one core)
	@$(BIN)/python -m benchmarks.yardstick

statements: venv  ## rewrite the README's table of statements from the stored results
	@$(BIN)/python book/_ext/fa_tables.py

clean:  ## remove what was built; environments and the stored results stay
	rm -rf _build dist .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find fa_lib tests book -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

set-repo:  ## write the repository's address: make set-repo URL=https://github.com/OWNER/NAME
	@$(PYTHON) book/_ext/set_repo.py "$(URL)"
