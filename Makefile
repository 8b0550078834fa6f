# `make demo` runs the main job, `make test` the tests, `make bench` the benchmark of the docs,
# `make report` the pages about everything, `make pictures` the docs' pictures of them. All work
# in .venv, with the versions of requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
ALL := .venv/.installed-all
DEV := .venv/.installed-dev
# Two processes of tests: each waits for workers of its own, so that two cores are busy.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

# What the docs quote: all architectures that are trained, the first of them whole.
MEASURED := mnist_classifier simple_resnet unet inception_net branching_net dense_net mimo_net \
  early_exit_net basic_net sequential_net skip_mlp seq2seq row_gru

.PHONY: demo install test test-unit test-all bench report record record-guide gpu-check pictures lint format lock clean

demo: $(ALL)
	$(BIN)/triptych compare --report

install: $(DEV)

test: $(DEV)
	$(PYTEST)

# Those that import no framework.
test-unit: $(DEV)
	$(PYTEST) -q tests/unit

# Everything, for an hour; SHARD=2/4 is the second of four parts, which take tests in one order.
test-all: $(DEV)
	TRIPTYCH_TEST_ALL=1 $(PYTEST) $(if $(SHARD),-p no:randomly --splits $(lastword $(subst /, ,$(SHARD))) --group $(firstword $(subst /, ,$(SHARD))))

bench: $(ALL)
	$(BIN)/triptych bench $(MEASURED) --rounds 3 --seconds 0.4 --costs --accuracy --markdown docs/benchmarks.md

report: $(ALL)
	$(BIN)/triptych report

# What every report shows as recorded: whole trainings' scores, the whole ladder, and what the guide
# prints. It takes hours, and goes on where it was stopped; `make clean` has it begin anew. Each
# file's date is the day it was measured on.
RECORDED := shared/report/recorded.json
# Chapters print how long it takes to compile.
ANEW := TRIPTYCH_COMPILATION_CACHE=off
record: $(MEASURED:%=build/record/%.json) build/record/parity.json
	$(ANEW) $(BIN)/triptych report --from $^ --record $(RECORDED) --output build/record/pages

# The chapters alone, in some minutes on a quiet machine: some print times.
record-guide: $(ALL)
	@mkdir -p build
	$(ANEW) $(BIN)/triptych report basic_net --record $(RECORDED) --output build/report

build/record/unet.json: OPTIONS := --data mnist --epochs 1
build/record/seq2seq.json: OPTIONS := --data mnist --epochs 4

build/record/parity.json: | $(ALL)
	@mkdir -p $(@D)
	$(BIN)/triptych parity --fresh --json $@

build/record/%.json: | $(ALL)
	@mkdir -p $(@D)
	$(BIN)/triptych compare $* $(OPTIONS) --json $@

# The ladder and the benchmark on a GPU, in 8 minutes at most; nothing is fetched. The Python is one
# that has the frameworks; wheels that it lacks, Keras's for one, are taken from build/wheels.
GPU_PYTHON ?= python3
gpu-check:
	$(GPU_PYTHON) -m tests.gpu

pictures: $(DEV)
	@mkdir -p build
	$(BIN)/triptych report branching_net --output build/report
	$(BIN)/python -m tests.e2e.pictures build/report docs/pictures

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The versions of everything, anew where pyproject.toml asks for others; UPGRADE=1 takes the newest.
lock: $(DEV)
	$(BIN)/uv pip compile --quiet --universal --all-extras --no-annotate $(if $(UPGRADE),--upgrade) \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info

# By uv, in half a minute; by pip alone, in some minutes, where uv cannot be had or fails.
comma := ,
define install
@command -v uv > /dev/null || $(BIN)/python -m pip install -qq uv || true
@PATH="$$PATH:$(BIN)" uv pip install --quiet --python $(BIN)/python \
  --constraint requirements.lock --editable '.[$(1)]' \
  || { echo "uv did not install it; pip does, in some minutes." >&2; \
       $(BIN)/python -m pip install -qq --constraint requirements.lock --editable '.[$(1)]'; }
@touch $@
endef

$(ALL): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Triptych needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another with: make PYTHON=python3.11" % v)'
	@echo "Installing PyTorch, Flax and Keras into .venv: about a minute, and 8 GB of disk."
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(call install,all)

$(DEV): $(ALL)
	$(call install,all$(comma)dev)
