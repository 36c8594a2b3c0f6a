# Each command creates what it needs: a bare machine has only Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install install-hashed demo test test-docs test-shapes test-all test-processors lint benchmark docs clean
install: $(VENV)/.installed

# One install serves every target, so that no target changes the environment under another.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "serfusion needs Python 3.11 or later, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[offline,multilingual,dev]'
	@touch $@

# The same from files whose hashes are known (constraints-hashed.txt): those of PyPI, where torch for
# Linux is the build with CUDA. A build from another index has another hash, which PyPI does not
# know: give a file with it, as in TORCH=torch.txt, which holds
#   torch==2.13.0 --hash=sha256:...
# and nothing of CUDA is installed then.
TORCH ?=
install-hashed:
	$(PYTHON) -m venv $(VENV)
	awk -v other='$(TORCH)' '/^[^ #]/ { left = other && FNR == NR && /^(torch|nvidia-|cuda-)/ } !left' \
		constraints-hashed.txt $(TORCH) > $(VENV)/hashed.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r $(VENV)/hashed.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	@touch $(VENV)/.installed

demo: install
	$(BIN)/serfusion demo

# A file to a process, because files share costly fixtures, and a thread each, so that none wait.
# Who waits for a process that died, waits for ever: the first death ends the run. Where compiled
# modules are not kept, each of hundreds of processes compiles the packages again.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto \
	--dist loadfile --no-loadscope-reorder --max-worker-restart 0
test: install
	$(PYTEST) -m "not slow and not documents"

# What tutorials, README and pages promise, executed as a reader would: minutes of training.
test-docs: install
	$(PYTEST) -m "documents and not slow" tests/test_tutorials.py tests/test_adding.py \
		tests/test_docs.py tests/test_one_utterance.py

# jaxtyping and beartype check every call of a function that has shapes, at twice the time.
SHAPES = --jaxtyping-packages=encoders,fusion,beartype.beartype
test-shapes: install
	$(PYTEST) $(SHAPES) -m "not slow" tests/encoders tests/fusion

# The same with simulations, ten thousand random cases and every mutated file: a few times longer.
test-all: install
	$(PYTEST) $(SHAPES)

# Tests of arithmetic as on other processors: with AVX2 at most, and without vectors in torch's own.
ARITHMETIC = $(PYTEST) -m "arithmetic and not slow" tests/encoders tests/fusion
test-processors: install
	ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 ATEN_CPU_CAPABILITY=avx2 $(ARITHMETIC)
	ATEN_CPU_CAPABILITY=default $(ARITHMETIC)

lint: install
	$(BIN)/ruff check .
	# Names that jaxtyping's strings hide elsewhere; shapes of tests are in none.
	$(BIN)/ruff check --isolated --select F821 tests
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: install
	$(BIN)/python -m benchmarks

# A site in site/, which opens from the disk; warnings are errors.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) runs site .mypy_cache .pytest_cache .ruff_cache .hypothesis
