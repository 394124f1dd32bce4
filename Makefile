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
FUZZ := $(VENV)/fuzz
# How long make fuzz tries, shared out between its targets.
SECONDS ?= 60

# The tests start Python some thousand times; one that has to compile all that it imports takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

PYTEST := $(PY) -m pytest
# What compares times runs alone, what takes long with the servers.
QUICK := -m "not timing and not thorough"
# These start processes, each runner among them, or test what is packed: with the Python of .venv only, beside the rest.
PROCESSES := tests/packaging $(patsubst %,tests/runners/test_%.py,readme cli mounting tornado_host) \
	$(patsubst %,tests/runners/security/test_%.py,command_line optimized)
# These need real servers or other frameworks, start many processes, or are no tests.
MANY_PROCESSES := $(filter-out $(PROCESSES),$(wildcard tests/runners/test_*.py tests/runners/security/test_*.py)) \
	$(patsubst %,tests/adapters/test_%.py,tornado_server reload)
# These compare with another implementation, or with a rule, in many examples.
DIFFERENCES := $(wildcard tests/core/test_*_differential.py) \
	$(patsubst %,tests/core/test_%_properties.py,prefix round_trip) \
	$(patsubst %,tests/adapters/test_%.py,http1_h11 http1_properties)
# What asks real web servers much, in parts that take about as long.
DOCTOR := tests/servers/test_doctor.py
FRONTS := $(patsubst %,tests/servers/test_%.py,matrix fixers config cgi_servers)
IN_PROCESS := $(patsubst %,--ignore=%,$(PROCESSES) $(MANY_PROCESSES) tests/reference tests/servers tests/guests tests/benchmarks)

.PHONY: help demo test test-here test-processes test-reference test-servers test-servers-alone test-doctor \
	test-fronts test-many-processes test-differences test-thorough test-guests fuzz lint bench plots bench-servers clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: $(READY)  ## a portal of several apps on http://127.0.0.1:5000/
	@echo "Look at http://127.0.0.1:5000/: nine small apps below one address. Ctrl-C stops it."
	@$(PY) -m flask_embed.gevent examples.portal:app --bind 127.0.0.1:5000

# Two of them at a time; what is not the first is shown when it is through.
test: $(READY)  ## the tests, those of the framework also on every other Python that is installed
	@$(PY) -m tests.pythons > $(VENV)/pythons.txt
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going \
		test-here $$(sed 's/ .*//; s/^/on-python-/' $(VENV)/pythons.txt) test-processes test-reference

# The plus sign has its output shown as it comes.
test-here:
	+@$(PYTEST) $(QUICK) $(IN_PROCESS)

test-processes:
	@$(PYTEST) --quiet $(QUICK) $(PROCESSES)

test-reference:
	@$(PYTEST) --quiet tests/reference

# What compares times comes first and alone, then the others. Three at a time: much of it is waiting for others' time-outs.
test-servers: $(TOOLS) $(GUESTS)/ready  ## what takes long: real web servers, browser, other frameworks, many examples; with CI set, none may be missing
	@$(PYTEST) -m "timing and not thorough" tests/security tests/runners/security tests/adapters tests/middleware
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target --keep-going \
		test-servers-alone test-doctor test-fronts test-many-processes test-differences test-thorough test-guests

test-servers-alone:
	+@$(PYTEST) $(patsubst %,--ignore=%,$(DOCTOR) $(FRONTS)) tests/servers

# The doctor waits more than it works.
test-doctor:
	@$(PYTEST) --quiet --numprocesses=3 $(DOCTOR)

test-fronts:
	@$(PYTEST) --quiet $(FRONTS)

test-many-processes:
	@$(PYTEST) --quiet -m "not thorough" $(MANY_PROCESSES)

test-differences:
	@THOROUGH=1 $(PYTEST) --quiet --timeout=300 $(DIFFERENCES)

test-thorough:
	@$(PYTEST) --quiet -m thorough tests/security tests/runners

test-guests:
	@$(GUESTS)/bin/python -m pytest --quiet tests/guests

fuzz: $(FUZZ)/ready  ## the parsers, fed with what a fuzzer thinks up, for SECONDS (60)
	@$(FUZZ)/bin/python -m tests.fuzzing --seconds $(SECONDS)

lint: $(TOOLS) $(GUESTS)/ready  ## ruff, mypy and basedpyright
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy --python-executable $(GUESTS)/bin/python tests/guests
	$(PY) -m basedpyright
	$(PY) -m basedpyright --pythonpath $(GUESTS)/bin/python tests/guests

bench: $(GUESTS)/end-to-end  ## the benchmarks against other frameworks, with the targets
	@failed=0; for part in "" .start .mounting .end_to_end; do \
		$(GUESTS)/bin/python -m tests.benchmarks$$part || failed=1; done; exit $$failed

plots: $(TOOLS)  ## how the time of a request grows with an app, drawn into tests/benchmarks/plots
	$(PY) -m tests.benchmarks.plots tests/benchmarks/plots

bench-servers: $(TOOLS)  ## the runners against other servers, under the load of wrk, and what they hold
	$(PY) -m tests.benchmarks.servers
	$(PY) -m tests.benchmarks.fastcgi

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

# The servers that the benchmarks alone need; lint and the tests do without.
$(GUESTS)/end-to-end: $(GUESTS)/ready
	$(PIP) --python $(GUESTS)/bin/python $(INSTALL) --group end-to-end
	@touch $@

$(FUZZ)/ready: $(READY)
	@$(PY) -m venv --clear --without-pip $(@D)
	$(PIP) --python $(FUZZ)/bin/python $(INSTALL) --editable ".[all]" --group fuzz
	@touch $@

# The in-process tests, without the examples, on one more Python of those that the rule of test has found.
# No pip is put into its environment: the one of .venv installs into it, which saves seconds.
on-python-%: $(VENV)/pythons/%/ready
	@echo "== Python $*"
	@$(<D)/bin/python -m pytest --quiet $(QUICK) $(IN_PROCESS) --ignore=tests/examples

.PRECIOUS: $(VENV)/pythons/%/ready
$(VENV)/pythons/%/ready: pyproject.toml
	@"$$(sed -n 's/^$* //p' $(VENV)/pythons.txt)" -m venv --clear --without-pip $(@D)
	@$(PIP) --python $(@D)/bin/python $(INSTALL) --editable . --group test
	@touch $@
