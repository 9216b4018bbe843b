# make demo    set up and run otsec on the plant in pcaps/plant
# make test    set up and run the tests
# make check   format, lint, types, architecture, generated pages
# make docs    write the generated pages
# make bench   measure speed and memory (docs/performance.md)
# make soak    measure a sensor for an hour on a cable of its own (root, or user namespaces)
# make story   write the labelled story and evaluate what is found of it (docs/evaluation.md)
# make screenshots   draw the pictures of the terminal UI
# make clean   remove what the above made

VENV := .venv
BIN := $(VENV)/bin
DB := demo.db
make_once = { test -f .bench/$(1).pcap || \
	{ $(BIN)/python -B $(2) && mv .bench/part .bench/$(1).pcap; }; }
MAKE_CAPTURE := ../shared/bench/make_capture.py
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11

.PHONY: demo test check docs bench soak story format clean

# A stamp holds the folder it was made in: scripts of a virtual environment do not survive a move.
ifneq ($(shell cat $(VENV)/installed 2>/dev/null || echo $(CURDIR)),$(CURDIR))
.PHONY: $(VENV)/installed $(VENV)/installed-dev
MOVED := yes
endif

demo: $(VENV)/installed
	@rm -f $(DB) $(DB)-wal $(DB)-shm
	@$(BIN)/otsec analyze pcaps/plant --db $(DB)
	@echo "  otsec assets --db $(DB)"
	@echo "      every device with maker, model, firmware and role; one of them does not belong"
	@echo "  otsec asset 10.20.1.199 --db $(DB)"
	@echo "      the laptop that came at 08:05:30, and whom it talked to"
	@echo "  otsec asset 10.20.1.21 --db $(DB)"
	@echo "      the controller that it stopped, and who started it again"
	@echo "otsec is in $(BIN); to type it as it stands here: . $(BIN)/activate"

test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(VENV)/installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/python -m otsec.cli.reference --check docs
	@$(BIN)/lint-imports
	@$(BIN)/mypy

docs: $(VENV)/installed-dev
	@$(BIN)/python -m otsec.cli.reference docs

# The captures are the same each time, so they are made once.
bench: $(VENV)/installed
	@mkdir -p .bench
	@$(call make_once,scan,pcaps/modbus/scan.py .bench/part --packets 1000000)
	@test -f $(MAKE_CAPTURE) || echo "no $(MAKE_CAPTURE): only the scan is measured"
	@test ! -f $(MAKE_CAPTURE) || { \
		$(call make_once,mix,$(MAKE_CAPTURE) .bench/part) && \
		$(call make_once,free,$(MAKE_CAPTURE) .bench/part --free 1); \
	}
	@for capture in mix free; do \
		test ! -f .bench/$$capture.pcap || $(BIN)/otsec bench .bench/$$capture.pcap $(BENCH_ARGS) || exit; \
	done
	@$(BIN)/otsec bench .bench/scan.pcap --alone $(BENCH_ARGS)

soak: $(VENV)/installed-dev
	@$(BIN)/python tests/live_soak.py $(SOAK_ARGS)

SEED := 1
story: $(VENV)/installed
	@test -f .bench/story-$(SEED)/changes.csv || \
		$(BIN)/python -B pcaps/story/make.py --seed $(SEED) -o .bench/story-$(SEED)
	@$(BIN)/otsec evaluate --labels .bench/story-$(SEED)/labels.tsv --changes .bench/story-$(SEED)/changes.csv .bench/story-$(SEED)/story.pcap

screenshots: $(VENV)/installed
	@$(BIN)/python docs/screenshots.py

format: $(VENV)/installed-dev
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .bench $(DB) $(DB)-wal $(DB)-shm .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A virtual environment that works is kept, also one that was there before; what is in it is
# installed again only when pyproject.toml changed.
$(VENV)/installed: pyproject.toml
	$(call environment)
	@echo "installing otsec into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@echo $(CURDIR) >$@

$(VENV)/installed-dev: pyproject.toml
	$(call environment)
	@echo "installing otsec and its development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@echo $(CURDIR) | tee $@ >$(VENV)/installed

define environment
@if [ "$(MOVED)" ] || ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	for python in $(PYTHON) $(CANDIDATES); do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "otsec needs Python 3.11 or later with venv (Debian: apt install python3-venv);" \
		"found neither as $(CANDIDATES)." >&2; \
	echo "If it is elsewhere: make PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi
endef
