# make demo   render, train, evaluate, report: ten to twenty minutes on two cores; more words by DEMO="seed=1"
# make test   the checks and tests, in an environment of its own (.venv), made at the first call
# make test-long   the tests of ten seconds and more, which make test leaves out; make test-slow: those of minutes
# make docs   the documentation site, into site/: open site/index.html
# make fuzz   input made up for each parser that is the project's own, so many minutes of a processor for each: make fuzz MINUTES=10
# make gpu   what an NVIDIA card does in the paper's setting, and the tests that need one, in ten minutes: a report in gpu/report.md
# make test-kernels   the numeric tests again, on the kernels of other processors and on one and two threads
# make test-versions   the tests again, on the oldest and the newest versions that pyproject.toml allows of Python and of every library
# make faults   what the project survives, tried out, hours; a part of it: make faults FAULTS="kills disks share=0.1"
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?=
MINUTES ?= 1
FAULTS ?=

# What must hold whatever kernels a processor picks, and however many threads add up a sum.
NUMERIC = tests/models tests/evaluation tests/data/augmentations $(addprefix tests/,test_agreement.py test_factors.py \
  data/test_augmented.py data/test_pairs.py data/test_pair_sampler.py data/test_shared_values.py system/test_distributed.py training/test_loss.py training/test_schedule.py)
# PyTorch's own kernels, and the most that oneDNN's may use, which compute convolutions and some products: ATEN_CPU_CAPABILITY:ONEDNN_MAX_CPU_ISA. About
# two minutes for each, with each number of threads.
KERNELS = default:DEFAULT default:AVX2 avx2:AVX2 avx2:AVX512_CORE
THREADS = 1 2

# Which versions of every library, and of Python. Each environment is several GB, and made anew.
VERSIONS = oldest newest
python_oldest ?= python3.11
python_newest ?= python3.13
resolution_oldest = lowest-direct
resolution_newest = highest

.PHONY: demo docs test test-long test-kernels test-versions test-slow gpu fuzz faults check environment clean

environment: $(VENV)/.ready

# A build is only as fresh as pyproject.toml: the package itself is installed in place.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "contextssl needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: environment
	$(BIN)/contextssl demo $(DEMO)

docs: environment
	$(BIN)/python -m website.build

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Threads that spin while they wait cost a machine on which several processes run several times the work; a training that runs alone is
# a third faster with them.
test test-long test-kernels test-versions test-slow: export OMP_WAIT_POLICY ?= PASSIVE

# Each file's tests in one of several processes, which share the processors; so each has one thread.
IN_PROCESSES = --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_PROCESSES) -m 'not slow and not long'

# One at a time to whichever process is free.
test-long: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(subst loadfile,load,$(IN_PROCESSES)) -m 'long and not slow'

test-kernels: environment
	set -e; for kernels in $(KERNELS); do for threads in $(THREADS); do \
	  echo "kernels: $$kernels, threads: $$threads"; \
	  ATEN_CPU_CAPABILITY=$${kernels%:*} ONEDNN_MAX_CPU_ISA=$${kernels#*:} OMP_NUM_THREADS=$$threads MKL_NUM_THREADS=$$threads \
	    $(BIN)/python -m pytest -q --durations=3 -m 'not slow and not long' $(NUMERIC); \
	done; done

test-versions: $(addprefix test-versions-,$(VERSIONS))

# The oldest are the bounds in pyproject.toml; of what those libraries need in turn, the newest that goes with them.
test-versions-%: environment
	$(BIN)/uv venv --quiet --clear --python $(python_$*) $(VENV)/versions/$*
	$(BIN)/uv pip install --quiet --python $(VENV)/versions/$* --resolution $(resolution_$*) --editable '.[dev,wandb]'
	$(BIN)/uv pip list --python $(VENV)/versions/$* | grep -iE '^(torch|torchvision|lightning|timm|scipy|numpy|pandas|kornia|hydra-core) '
	OMP_NUM_THREADS=1 $(VENV)/versions/$*/bin/python -m pytest -q $(IN_PROCESSES) -m 'not slow'

# At low priority, and resumable: the same command goes on where it was.
faults: environment
	nice -n 15 $(BIN)/python -m faults $(FAULTS)

test-slow: environment
	$(BIN)/python -m pytest -m slow

# The report is written whatever the tests say; without a card both run at toy size, and the tests are skipped.
gpu: environment
	-$(BIN)/python -m pytest -m gpu
	$(BIN)/contextssl bench gpu

# Input made up for each parser, so many minutes each.
fuzz: environment
	nice -n 15 $(BIN)/python -m faults.fuzz --minutes $(MINUTES)

clean:
	rm -rf $(VENV) site build/website .cache .mypy_cache .ruff_cache .pytest_cache
