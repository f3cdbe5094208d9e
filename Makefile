# make book [PROFILE=laptop|smoke|paper]   build the book: _build/PROFILE/html/index.html
# make book FRESH=1 ...                    the same without the rows that come with the book: everything is computed
# make pdf [PROFILE=...]                   print the book as _build/PROFILE/book.pdf, where Chromium or Chrome is installed
# make test                                run the tests, the built smoke book in a browser included
# make test-pages                          hold every page of the smoke book against the rules of axe-core, in both themes and two widths
# make linkcheck [PROFILE=...]             ask for every page outside the book to which it has a link; needs a network
# make lint                                check the code against the rules of pyproject.toml; part of make test
# make trials                              run what book/trials.yml tries and nothing has recorded yet
# make record [PROFILE=...]                write the rows that a build computed to book/recorded/rows, to commit with the book
# make data [NAMES="cifar10 mnist"]        download the image sets
# make bench, make bench-peers             measure speed, and record it for the Cost page
# make clean                               remove what was built, finished rows included; refused while a build is at work
# PYTHON=... names an environment that exists (conda, a CUDA image); without it .venv is made from the exact versions.

PROFILE ?= laptop
PYTHON ?= .venv/bin/python
BOOTSTRAP ?= python3
JOBS ?= 2
export KDLIB_FRESH ?= $(FRESH)
MAKEFLAGS += --no-print-directory

BUILD := _build/$(PROFILE)
CHAPTERS := $(sort $(patsubst book/%.md,%,$(wildcard book/[0-9]*_*.md)))
EXECUTED := $(CHAPTERS:%=$(BUILD)/book/%.ipynb)
PAGES := _config.yml _toc.yml $(wildcard book/*.md book/*.yml book/profiles/*.yml book/beside/*.yml book/recorded/*.json book/recorded/rows/$(PROFILE)/stores.json book/*.bib book/_static/* book/_ext/* book/_templates/*) $(shell find kdlib companion -name '*.py')
READY := $(if $(filter .venv/bin/python,$(PYTHON)),.venv/ready)

.PHONY: help book pdf lint test test-pages linkcheck bench bench-peers trials record data clean
# Both are written whole or not at all, so an interrupted make deletes neither.
.PRECIOUS: $(BUILD)/book/%.ipynb $(BUILD)/html/index.html
# Published pages have left this folder, and are made again only where what they rest on is newer.
.SECONDARY: $(BUILD)/pages/index.html

# One build of a profile at a time: another one waits, and finds its work done. Digests first: a chapter is executed again
# when its notebook is not of today's digest. The cluster starts only if there is work. Each step of this (exec) is this
# make's own child and holds the lock, so that it notices when nobody waits for it any more.
book: $(READY)
	@exec $(PYTHON) -m companion.press.locks $(BUILD)/lock $(SHELL) -c ' \
		$(PYTHON) -m companion keys --profile $(PROFILE) && { \
		$(MAKE) -q $(BUILD)/html/index.html || \
		exec $(PYTHON) -m companion.engine.cluster serve -- $(MAKE) -k -j $(JOBS) $(BUILD)/html/index.html; }'
	@echo "$(BUILD)/html/index.html"

# Pages are made while rows are verified; where either fails, the earlier pages stay.
$(BUILD)/html/index.html: $(BUILD)/pages/index.html $(BUILD)/verified
	@$(PYTHON) -m companion publish --profile $(PROFILE)

$(BUILD)/pages/index.html: $(EXECUTED) $(PAGES)
	@$(PYTHON) -m companion html --profile $(PROFILE)

$(BUILD)/verified: $(EXECUTED) $(PAGES)
	@$(PYTHON) -m companion verify --unless-known --profile $(PROFILE)
	@touch $@

$(BUILD)/book/%.ipynb: $(BUILD)/keys/%
	@$(PYTHON) -m companion.engine.warm -m companion execute --profile $(PROFILE) $*

pdf: book
	@$(PYTHON) -m companion pdf --profile $(PROFILE)

lint: $(READY)
	@$(PYTHON) -m ruff check -q kdlib companion tests benchmarks tools bootstrap.py book/notebooks
	@$(PYTHON) -m ruff format -q --check kdlib companion tools

test: lint
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests

test-pages: $(READY)
	@$(PYTHON) -m pytest -q -n 2 tests/test_book.py --every-page -k axe

linkcheck: book
	@$(PYTHON) tools/linkcheck.py $(BUILD)/html

bench: $(READY)
	@for script in benchmarks/bench_*.py; do $(PYTHON) $$script || exit 1; done

bench-peers: $(READY) .venv-peers/ready
	@$(PYTHON) benchmarks/peers/compare_kernels.py .venv-peers/bin/python

trials: $(READY)
	@$(PYTHON) -m companion.engine.cluster serve -- $(PYTHON) -m companion trials

record: $(READY)
	@$(PYTHON) -m companion record --profile $(PROFILE)

data: $(READY)
	@$(PYTHON) -m kdlib.downloads $(NAMES)

help:
	@sed -n 's/^# //p' Makefile

clean:
	@$(if $(READY),$(BOOTSTRAP),$(PYTHON)) -c "from companion.press import locks; locks.remove('_build')"

.venv/ready: constraints.txt pyproject.toml bootstrap.py
	@$(BOOTSTRAP) bootstrap.py
	@touch $@

.venv-peers/ready: benchmarks/peers/requirements.txt
	@echo "making .venv-peers: neural-tangents and what it needs (a few minutes, once)"
	@$(BOOTSTRAP) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install -q --disable-pip-version-check -r $< || \
		{ echo "bench-peers: the peers' environment could not be installed; it needs a network and Python 3.11 or 3.12"; exit 1; }
	@touch $@
