# `make demo` and `make test` need Python 3.11 or later, make and a package index, nothing else.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

python = $(VENV)/bin/python
version = -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# Two workers of one thread each: left alone, every worker takes every core.
one_thread = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
	TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

.NOTPARALLEL:
.PHONY: help demo test benchmarks coverage docs lint clean venv

help:
	@echo 'make demo        one training, the posteriors of 142 countries, and NUTS beside them'
	@echo 'make test        the tests; ARGS="-k flows" goes to pytest'
	@echo 'make benchmarks  every figure that is claimed'
	@echo 'make coverage    the whole registry of models against PyMC, and docs/coverage.md'
	@echo 'make docs        the pages, into docs/_build/html'
	@echo 'make lint        the checks of .pre-commit-config.yaml on every file git knows'
	@echo 'make clean       removes .venv and whatever was built'
	@echo 'All but the last make their environment first; PYTHON=python3.13 VENV=.venv-3.13 choose another.'

demo: $(VENV)/.installed
	$(python) examples/gapminder.py $(ARGS)

# Files by name: by number of tests the longest files, which have few, would come last.
test: $(VENV)/.installed-test
	$(one_thread) MPLBACKEND=agg \
		$(python) -m pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

benchmarks: $(VENV)/.installed-test
	set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(python) "$$file" $(ARGS); done

coverage: $(VENV)/.installed-test
	$(one_thread) $(python) benchmarks/language.py
	$(python) benchmarks/_coverage_page.py

docs: $(VENV)/.installed-docs
	$(python) -m sphinx -n -W --keep-going docs docs/_build/html $(ARGS)

lint: $(VENV)/.installed-lint
	$(VENV)/bin/pre-commit run --all-files --show-diff-on-failure $(ARGS)

clean:
	rm -rf .venv build dist docs/_build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each extra; installing anew where the requirements have changed since.
$(VENV)/.installed: pyproject.toml setup.cfg | venv
	$(python) -m pip install --editable .
	touch $@

$(VENV)/.installed-test $(VENV)/.installed-docs $(VENV)/.installed-lint: \
$(VENV)/.installed-%: pyproject.toml setup.cfg | venv
	$(python) -m pip install --editable '.[$*]'
	touch $@ $(VENV)/.installed

venv:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"pymc_amortized needs Python 3.11 or later, and $(PYTHON) is %s: name another, PYTHON=..." \
		% sys.version.split()[0])'
	@test -x $(python) || $(PYTHON) -m venv $(VENV)
	@test "$$($(PYTHON) $(version))" = "$$($(python) $(version))" || { \
		echo '$(VENV) was not made by the Python of $(PYTHON): name another VENV=..., or PYTHON=...' >&2; \
		exit 1; }
