# Each target sets up what it needs in .venv: a fresh machine needs Python 3.11 or later (with venv and pip)
# and make. Another Python: make test PYTHON=python3.12

PYTHON ?= python3

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Compiling what is never imported would be half of the time that installing takes.
INSTALL := install --quiet --quiet --no-compile
# One stamp for each name that PYTHON can have, so that asking for another Python makes the .venv anew.
READY := $(VENV)/ready-$(subst /,_,$(PYTHON))
# What the quick tests do without is large, and installed when it is needed.
TOOLS := $(READY)-tools
GUESTS := $(VENV)/guests

PYTEST := $(PY) -m pytest
# What compares times runs alone, what takes long with the servers.
QUICK := -m "not timing and not thorough"
# These start processes, each runner among them, or test what is packed: with the Python of .venv only, beside the rest.
PROCESSES := tests/packaging $(patsubst %,tests/runners/test_%.py,readme cli mounting tornado_host)
# These need real servers or other frameworks, start many processes, or are no tests.
MANY_PROCESSES := tests/runners $(patsubst %,tests/adapters/test_%.py,tornado workers reload)
IN_PROCESS := $(patsubst %,--ignore=%,$(MANY_PROCESSES) tests/packaging tests/servers tests/guests tests/benchmarks)

.PHONY: help demo test test-servers lint bench bench-servers clean on-python
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: $(READY)  ## a portal of several apps on http://127.0.0.1:5000/
	@echo "Look at http://127.0.0.1:5000/: nine small apps below one address. Ctrl-C stops it."
	@$(PY) -m flask_embed.gevent examples.portal:app --bind 127.0.0.1:5000

# The other Pythons side by side, each in one process: their output is shown one after the other.
test: $(READY)  ## the tests, then those of the framework on every other Python that is installed
	@$(PYTEST) $(QUICK) $(PROCESSES) tests/reference > $(VENV)/processes.log 2>&1 & processes=$$!; \
	$(PYTEST) $(QUICK) $(IN_PROCESS) --ignore=tests/reference; status=$$?; \
	wait $$processes || status=1; cat $(VENV)/processes.log; exit $$status
	@set -e; $(PY) -m tests.pythons > $(VENV)/pythons.txt; mkdir -p $(VENV)/pythons; rm -f $(VENV)/pythons/*.failed; \
	while read -r version path; do \
		$(MAKE) --no-print-directory on-python VERSION="$$version" BASE="$$path" < /dev/null \
			> "$(VENV)/pythons/$$version.log" 2>&1 || touch "$(VENV)/pythons/$$version.failed" & \
	done < $(VENV)/pythons.txt; wait; \
	status=0; while read -r version path; do \
		cat "$(VENV)/pythons/$$version.log"; \
		if [ -e "$(VENV)/pythons/$$version.failed" ]; then rm "$(VENV)/pythons/$$version.failed"; status=1; fi; \
	done < $(VENV)/pythons.txt; exit $$status

test-servers: $(TOOLS) $(GUESTS)/ready  ## what takes long: real web servers, browser, other frameworks, many examples; with CI set, none may be missing
	$(PYTEST) -m "timing and not thorough" tests/security tests/adapters tests/middleware
	$(PYTEST) -m "not thorough" --numprocesses=2 --dist=loadfile $(MANY_PROCESSES)
	$(PYTEST) tests/servers
	$(GUESTS)/bin/python -m pytest tests/guests
	$(PYTEST) -m thorough tests/security tests/runners
	THOROUGH=1 $(PYTEST) --numprocesses=2 --timeout=300 $(wildcard tests/core/test_*_differential.py tests/core/test_*_properties.py) tests/adapters/test_http1_h11.py tests/adapters/test_http1_properties.py

lint: $(TOOLS) $(GUESTS)/ready  ## ruff, mypy and basedpyright
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy --python-executable $(GUESTS)/bin/python tests/guests
	$(PY) -m basedpyright
	$(PY) -m basedpyright --pythonpath $(GUESTS)/bin/python tests/guests

bench: $(TOOLS)  ## the benchmarks against other frameworks
	$(PY) -m tests.benchmarks
	$(PY) -m tests.benchmarks.mounting

bench-servers: $(TOOLS)  ## the runners against other servers, under the load of wrk, and what they hold
	$(PY) -m tests.benchmarks.servers

clean:  ## remove .venv, caches and what builds leave
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find flask_embed adapters middleware tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A .venv of another Python version, a broken one and one without pip (uv makes such) are put right here.
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

# For the rule of test alone: the in-process tests, without the examples, on one more Python, whose VERSION and
# path (BASE) it names.
# No pip is put into that environment: the one of .venv installs into it, which saves seconds.
on-python: $(VENV)/pythons/$(VERSION)/ready
	@echo "== Python $(VERSION)"
	$(VENV)/pythons/$(VERSION)/bin/python -m pytest --quiet $(QUICK) $(IN_PROCESS) --ignore=tests/examples

$(VENV)/pythons/$(VERSION)/ready: pyproject.toml
	@"$(BASE)" -m venv --clear --without-pip $(@D)
	$(PIP) --python $(@D)/bin/python $(INSTALL) --editable . --group test
	@touch $@
