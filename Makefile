# PENNI + ESCALATE: every target does the set-up that it needs. `make help` lists them.

# Given on the command line; what is in the environment may be another project's.
NET     = digits
CONFIG  = small
SIM     = verilator
IMAGES  = 8
SEED    = 1
UNIT    = all
OUT     = build/rtl/$(CONFIG)
SUITE   = smoke
TEST    = *
SEEDS   =
JOBS    = 2
PROOF   =
PREFIX  =
SCHEDULER  = local
LAYER   =
WORKLOAD  =
IMAGE   =
SWEEP   = full
POINTS  =
WAVES   =
TRAIN   =

BASE_PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
PYTHON := $(VENV)/bin/python
# Python compiles a module when it is first imported, which most of those installed never are.
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile
# Installs in two thirds of the time of the one that Python 3.11 brings.
PIP := pip==26.3
# The command names options as settings where make calls it, and keeps the exit status of a failure here: make's own is 2
# then, whatever the command's was.
STATUS := build/exit_status
# Not the console script, whose first line holds the path of this folder, as not every shell takes it.
RUN    := PENNI_ESCALATE_STATUS="$(STATUS)" $(PYTHON) -P -m penni_escalate

# Of another project's Python.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH
# Images of containers set it: every process would compile all that it imports again, a second each.
unexport PYTHONDONTWRITEBYTECODE
# Of the last call.
$(shell rm -f "$(STATUS)")

.DEFAULT_GOAL := help
.PHONY: help sim predict draw-package workloads dse test lint bench units gates area timing mutants formal coverage regress rerun report compress compress-report unstructured tradeoff evaluate rtl icarus opensta clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18
	@echo
	@echo "Settings: NET=$(NET) CONFIG=$(CONFIG) (tiny, small, full or a .yaml file) SIM=$(SIM) (verilator, icarus)"
	@echo "          SUITE=$(SUITE) (smoke, nightly, soak, shapes, coverage) TEST=pattern SEEDS=n JOBS=$(JOBS) SCHEDULER=$(SCHEDULER) (slurm, lsf, address)"
	@echo "          WORKLOAD=name SWEEP=$(SWEEP) (a name in configs/dse/ or a .yaml file) POINTS=n"
	@echo "          LAYER=name IMAGES=$(IMAGES) IMAGE=number SEED=$(SEED) WAVES=1 UNIT=$(UNIT) OUT=$(OUT)"

sim: $(VENV)/sim.stamp $(if $(filter icarus,$(SIM)),icarus) ## run a network's layers through the RTL and compare with golden/
	@$(RUN) sim --net "$(NET)" --config "$(CONFIG)" --sim "$(SIM)" --images "$(IMAGES)" --seed "$(SEED)" \
	  $(if $(LAYER),--layer "$(LAYER)") $(if $(IMAGE),--image "$(IMAGE)") $(if $(filter-out 0,$(WAVES)),--waves)

draw-package: $(VENV)/sim.stamp ## write a known network at reduced size, with drawn numbers, as a package (NET=mobilenetv2, resnet50, densenet121)
	@$(RUN) draw-package $(if $(filter-out file,$(origin NET)),--net "$(NET)") --seed "$(SEED)"

predict: $(VENV)/sim.stamp ## predict the cycles of a network's layers by the cycle model, without a simulator
	@$(RUN) predict --net "$(NET)" --config "$(CONFIG)" --images "$(IMAGES)" --seed "$(SEED)" \
	  $(if $(LAYER),--layer "$(LAYER)") $(if $(IMAGE),--image "$(IMAGE)")

workloads: $(VENV)/sim.stamp ## list what the accelerator and its rivals are compared on (WORKLOAD=... for the layers of one)
	@$(RUN) workloads $(if $(WORKLOAD),--workload "$(WORKLOAD)")

dse: $(VENV)/all.stamp ## sweep the design space: cycles, area and energy of many configurations (SWEEP=..., POINTS=n)
	@$(RUN) dse --sweep "$(SWEEP)" $(if $(POINTS),--points "$(POINTS)") --jobs "$(JOBS)" --scheduler "$(SCHEDULER)"

test: lint icarus $(VENV)/all.stamp ## everything that proves the project: lint, models, units, stream core, network, a short regression
	@$(PYTHON) -m pytest || { status=$$?; echo $$status > "$(STATUS)"; exit $$status; }
	@$(RUN) regress --suite smoke --jobs "$(JOBS)"

lint: $(VENV)/all.stamp ## ruff and mypy, verible and slang (Verilator's lint of every preset is among the tests)
	@$(RUN) lint

bench: $(VENV)/sim.stamp ## measure build time and simulated cycles per second of every preset
	@$(RUN) bench

units: $(VENV)/sim.stamp $(if $(filter icarus,$(SIM)),icarus) ## run the bench of one unit (UNIT=...) or of all
	@$(RUN) units --unit "$(UNIT)" --config "$(CONFIG)" --sim "$(SIM)" --seed "$(SEED)" $(if $(filter-out 0,$(WAVES)),--waves)

gates: $(VENV)/all.stamp icarus ## synthesise the tiny preset and run the benches on the netlists (UNIT=..., SEED=...)
	@$(RUN) gates --unit "$(UNIT)" --seed "$(SEED)"

area: $(VENV)/all.stamp icarus ## count gates and memory bits of every unit with Yosys, for all presets or CONFIG=...
	@$(RUN) area $(if $(filter-out file,$(origin CONFIG)),--config "$(CONFIG)") --seed "$(SEED)"

timing: $(VENV)/all.stamp opensta ## map the units to a 0.18 um library and print their slowest paths (UNIT=..., CONFIG=...)
	@$(RUN) timing --config "$(CONFIG)" --unit "$(UNIT)"

mutants: $(VENV)/all.stamp icarus ## put faults into the Verilog that the tests must detect (UNIT=..., JOBS=...)
	@$(RUN) mutants --unit "$(UNIT)" --jobs "$(JOBS)" --scheduler "$(SCHEDULER)"

formal: $(VENV)/all.stamp ## prove what the units do for every input (UNIT=..., PROOF=...)
	@$(RUN) formal --unit "$(UNIT)" $(if $(PROOF),--proof "$(PROOF)") --jobs "$(JOBS)"

regress: $(VENV)/all.stamp icarus ## run a suite of tests with many seeds; what was interrupted is taken up
	@$(RUN) regress --suite "$(SUITE)" --test "$(TEST)" --seed "$(SEED)" $(if $(SEEDS),--seeds "$(SEEDS)") \
	  --jobs "$(JOBS)" --scheduler "$(SCHEDULER)"

rerun: $(VENV)/all.stamp icarus ## run one run of a regression again (JOB=..., as the regression printed it)
	@$(RUN) rerun "$(JOB)" $(if $(filter-out 0,$(WAVES)),--waves)

report: $(VENV)/all.stamp ## write the verification report of the last results as a static site
	@$(RUN) report

coverage: $(VENV)/all.stamp icarus ## measure code coverage: run the suite of that name, merge, judge with the waivers
	@$(RUN) regress --suite coverage --jobs "$(JOBS)" --scheduler "$(SCHEDULER)"

compress: $(VENV)/all.stamp ## train and compress a network, and write its package to packages/
	@$(RUN) compress run --net "$(NET)"

compress-report: $(VENV)/all.stamp ## measure every package in packages/ again, and write build/results/compress.json and pages
	@$(RUN) compress report

evaluate: $(VENV)/all.stamp ## compare the accelerator with its rivals on every workload, as one page (CONFIG=full, WORKLOAD=...)
	@$(RUN) evaluate --config "$(if $(filter file,$(origin CONFIG)),full,$(CONFIG))" $(if $(WORKLOAD),--workload "$(WORKLOAD)") --jobs "$(JOBS)"

unstructured: $(VENV)/all.stamp ## prune a network's weights without structure, as far as it is as accurate as its package
	@$(RUN) compress unstructured --net "$(NET)"

tradeoff: $(VENV)/all.stamp ## show accuracy against cycles and size of a network's points (TRAIN=1 trains what is missing)
	@$(RUN) compress tradeoff --net "$(NET)" $(if $(filter-out 0,$(TRAIN)),--run)

rtl: $(VENV)/sim.stamp ## write the Verilog of a configuration, and what is handed over with it, to OUT (PREFIX=...)
	@$(RUN) rtl --config "$(CONFIG)" $(if $(PREFIX),--prefix "$(PREFIX)") --out "$(OUT)"

clean: ## remove everything that was built, but not the virtual environment
	rm -rf build

# ---- set-up ---------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@test -n "$(BASE_PYTHON)" && $(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed: install the package 'python3.11'." >&2; exit 2; }
	@case "$(VENV)" in /*) place="$(VENV)";; *) place="$$PWD/$(VENV)";; esac; case "$$place" in *:*) \
	  echo "error: The path '$$place' has the character ':', with which Python makes no virtual environment: move the folder, or give a path without it, like VENV=/tmp/venv." >&2; exit 2;; esac
	@test -w . || { echo "error: The folder $$PWD cannot be written: work in a copy that can be written." >&2; exit 2; }
	@echo "Making the virtual environment $(VENV) with $$($(BASE_PYTHON) --version)"
	@$(BASE_PYTHON) -m venv $(VENV) \
	  || { echo "error: Python cannot make a virtual environment: install the package 'python3-venv'." >&2; exit 2; }

$(VENV)/sim.stamp: requirements-core.txt requirements-sim.txt pyproject.toml | $(VENV)/bin/python
	@command -v g++ >/dev/null || { echo "error: g++ is needed: install the package 'g++'." >&2; exit 2; }
	@echo "Installing what simulation needs (requirements-core.txt, requirements-sim.txt) and the command penni-escalate"
	@$(INSTALL) "$(PIP)"
	@$(INSTALL) --editable '.[sim]'
	@touch $@

$(VENV)/all.stamp: requirements.txt requirements-compress.txt requirements-verify.txt requirements-data.txt $(VENV)/sim.stamp
	@echo "Installing PyTorch and the test tools (requirements.txt)"
	@$(INSTALL) -r requirements.txt
	@$(INSTALL) --no-deps -r requirements-data.txt
	@touch $@

icarus: ## install Icarus Verilog where it is missing and may be installed
	@command -v iverilog >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Icarus Verilog"; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends iverilog; } >/dev/null; \
	  fi; }
	@command -v iverilog >/dev/null || { \
	  echo "error: Icarus Verilog is needed and cannot be installed here: install the package 'iverilog'." >&2; exit 2; }

opensta: ## install OpenSTA and OSU's 0.18 um cells where they are missing and may be installed
	@command -v sta >/dev/null && test -f /usr/share/qflow/tech/osu018/osu018_stdcells.lib || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing OpenSTA and OSU's cell library"; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends opensta qflow-tech-osu018; } >/dev/null; \
	  fi; }
	@command -v sta >/dev/null && test -f /usr/share/qflow/tech/osu018/osu018_stdcells.lib || { \
	  echo "error: OpenSTA and OSU's 0.18 um cells are needed and cannot be installed here: install the packages 'opensta' and 'qflow-tech-osu018'." >&2; exit 2; }
