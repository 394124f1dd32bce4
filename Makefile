# Each target sets up what it needs in .venv: a fresh machine needs make and Python 3.11 or later with venv and pip.
# Another Python: make test PYTHON=python3.12. tests/README.md says what each folder of tests is for.

PYTHON ?= python3

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Without compiling: most of the files are never imported, and compiling them takes half of the time.
INSTALL := install --quiet --quiet --no-compile
# One stamp for each value of PYTHON, so that another Python makes the .venv anew.
READY := $(VENV)/ready-$(subst /,_,$(PYTHON))
# Libraries that the quick tests do without are large, and installed when they are needed.
TOOLS := $(READY)-tools
GUESTS := $(VENV)/guests
FUZZ := $(VENV)/fuzz
# How long make fuzz tries, shared out between its targets.
SECONDS ?= 60

# The tests start Python some thousand times; one that has to compile its imports takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

PYTEST := $(PY) -m pytest
# Tests that compare times run alone, tests that take long with the servers.
QUICK := -m "not timing and not thorough"
# Folders whose tests start no server, and run on each Python.
IN_PROCESS := tests/core tests/middleware tests/adapters tests/security
MEASURE := $(if $(COVERAGE),-m coverage run -m pytest)
REPORT := $(PY) -m coverage combine --quiet && $(PY) -m coverage report --fail-under=95
export COVERAGE_CORE := sysmon
PARALLEL := $(MAKE) --no-print-directory --output-sync=target --keep-going

.PHONY: help demo test test-here test-beside test-servers test-timing test-fronts test-runners test-differential \
	test-thorough test-guests test-hosts coverage fuzz lint docs bench plots bench-servers clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: $(READY)  ## a portal of several apps on http://127.0.0.1:5000/
	@echo "Open http://127.0.0.1:5000/: nine small apps below one address. Ctrl-C stops it."
	@$(PY) -m flask_embed.gevent examples.portal:app --bind 127.0.0.1:5000

# Two jobs at a time; the output of the first is shown as it comes. With COVERAGE=1 the tests are measured, on the other
# Pythons if there are any: from 3.12 on that costs next to nothing, on 3.11 as much time again.
test: $(READY)  ## the tests that need no servers, the in-process ones on every other Python found too
	@$(PY) -m tests.pythons > $(VENV)/pythons.txt
	@rm -f .coverage .coverage.*
	@if [ -s $(VENV)/pythons.txt ]; then others="MEASURED=$(MEASURE)"; \
		else others="HERE=$(or $(MEASURE),-m pytest --numprocesses=2)"; fi; \
	$(PARALLEL) --jobs=2 test-here $$(sed 's/ .*//; s/^/on-python-/' $(VENV)/pythons.txt) test-beside "$$others"
	@$(if $(COVERAGE),$(REPORT))

test-here: HERE := -m pytest
test-here: $(READY)
	+@$(PY) $(HERE) $(QUICK) $(IN_PROCESS) tests/examples

test-beside: $(READY)
	@$(PYTEST) --quiet $(QUICK) tests/reference tests/packaging tests/fuzzing

coverage: $(READY)  ## the in-process tests, and which lines they reach: at least 95 %
	@rm -f .coverage .coverage.*
	+@$(PY) -m coverage run -m pytest $(QUICK) $(IN_PROCESS)
	@$(REPORT)

# Tests that compare times come first and alone. Then three jobs at a time: much of the time is waiting.
test-servers: $(TOOLS) $(GUESTS)/ready  ## the tests that take long: runners, real web servers, browser, guests; with CI set, none may be skipped
	@$(MAKE) --no-print-directory test-timing
	@$(PARALLEL) --jobs=3 test-fronts test-runners test-differential test-thorough test-guests

test-timing: $(READY)
	@$(PYTEST) -m "timing and not thorough" $(IN_PROCESS) tests/runners

test-fronts: $(TOOLS)
	+@$(PYTEST) --numprocesses=2 --dist=worksteal tests/servers

test-runners: $(TOOLS)
	@$(PYTEST) --quiet $(QUICK) tests/runners

test-differential: $(READY)
	@THOROUGH=1 $(PYTEST) --quiet --timeout=300 -m "differential and hypothesis" tests/core tests/adapters

test-thorough: $(READY)
	@$(PYTEST) --quiet -m thorough $(IN_PROCESS) tests/runners

test-guests: $(GUESTS)/ready
	@$(GUESTS)/bin/python -m pytest --quiet tests/guests

test-hosts: $(GUESTS)/ready  ## our apps mounted in the apps of other frameworks
	@$(GUESTS)/bin/python -m pytest tests/hosts

fuzz: $(FUZZ)/ready  ## the parsers, with inputs that a fuzzer invents, for SECONDS (60)
	@$(FUZZ)/bin/python -m tests.fuzzing --seconds $(SECONDS)

lint: $(TOOLS) $(GUESTS)/ready  ## ruff, mypy and basedpyright
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy --python-executable $(GUESTS)/bin/python tests/guests tests/hosts
	$(PY) -m basedpyright
	$(PY) -m basedpyright --pythonpath $(GUESTS)/bin/python tests/guests tests/hosts

docs: $(TOOLS)  ## docs/ as pages in build/docs
	@$(PY) -m sphinx --quiet -W --keep-going -b html docs build/docs
	@echo "Open build/docs/index.html"

bench: $(GUESTS)/end-to-end  ## the benchmarks against other frameworks, with the targets
	@failed=0; for part in "" .start .mounting .end_to_end; do \
		$(GUESTS)/bin/python -m tests.benchmarks$$part || failed=1; done; exit $$failed

plots: $(TOOLS)  ## how the time of a request grows with an app, drawn into tests/benchmarks/plots
	$(PY) -m tests.benchmarks.plots tests/benchmarks/plots

bench-servers: $(TOOLS)  ## the runners against other servers, under the load of wrk, and their memory
	$(PY) -m tests.benchmarks.servers
	$(PY) -m tests.benchmarks.fastcgi

clean:  ## remove .venv, caches and the products of builds
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find flask_embed adapters middleware tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A .venv of another Python version, a broken one and one without pip (uv makes such) are repaired here.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "flask_embed needs Python 3.11 or later, which '$(PYTHON)' is not: name one with PYTHON=python3.N" >&2; exit 1; }
	@minor='import sys; print(sys.version_info[:2])'; \
	test "$$($(PYTHON) -c "$$minor")" = "$$($(PY) -c "$$minor" 2>/dev/null)" || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --version >/dev/null 2>&1 || $(PY) -m ensurepip
	$(PIP) $(INSTALL) --upgrade pip
	$(PIP) $(INSTALL) --editable . --group test
	@touch $@

$(TOOLS): $(READY)
	$(PIP) $(INSTALL) --group dev
	@touch $@

$(GUESTS)/ready: $(READY)
	@$(PY) -m venv --clear --without-pip $(@D)
	$(PIP) --python $(GUESTS)/bin/python $(INSTALL) --editable . --group guests
	@touch $@

# Servers for the benchmarks alone; lint and the tests do without.
$(GUESTS)/end-to-end: $(GUESTS)/ready
	$(PIP) --python $(GUESTS)/bin/python $(INSTALL) --group end-to-end
	@touch $@

$(FUZZ)/ready: $(READY)
	@$(PY) -m venv --clear --without-pip $(@D)
	$(PIP) --python $(FUZZ)/bin/python $(INSTALL) --editable ".[all]" --group fuzz
	@touch $@

# The in-process tests on one more Python of those that the rule of test has found. Comparisons with another
# implementation and generated examples find the same on each Python; measured, nothing but the comparisons is left out.
# No pip is put into its environment: the one of .venv installs into it, which saves seconds.
on-python-%: $(VENV)/pythons/%/ready
	@echo "== Python $*"
	@$(<D)/bin/python $(or $(MEASURED),-m pytest) --quiet \
		-m "not timing and not thorough and not differential$(if $(MEASURED),, and not hypothesis)" \
		$(if $(MEASURED),$(IN_PROCESS),$(filter-out tests/security,$(IN_PROCESS)))

.PRECIOUS: $(VENV)/pythons/%/ready
$(VENV)/pythons/%/ready: pyproject.toml
	@"$$(sed -n 's/^$* //p' $(VENV)/pythons.txt)" -m venv --clear --without-pip $(@D)
	@$(PIP) --python $(@D)/bin/python $(INSTALL) --editable . --group test
	@touch $@
