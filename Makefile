# `make demo` runs the main job, `make test` the tests, `make bench` the benchmark of the README,
# `make report` the pages about everything, `make pictures` the README's pictures of them. All work
# in .venv.
PYTHON ?= python3
BIN := .venv/bin
ALL := .venv/.installed-all
DEV := .venv/.installed-dev
INSTALL := $(BIN)/python -m pip install -qq --constraint constraints.txt

# What the README quotes: all architectures that are trained, the first of them whole.
MEASURED := mnist_classifier simple_resnet unet inception_net branching_net dense_net mimo_net \
  early_exit_net basic_net sequential_net skip_mlp seq2seq row_gru

.PHONY: demo test bench report pictures lint format clean

demo: $(ALL)
	$(BIN)/triptych compare --report

test: $(DEV)
	$(BIN)/python -m pytest

bench: $(ALL)
	$(BIN)/triptych bench $(MEASURED) --rounds 3 --seconds 0.4 --costs --accuracy --readme README.md

report: $(ALL)
	$(BIN)/triptych report

pictures: $(DEV)
	$(BIN)/triptych report --output build/report
	$(BIN)/python -m tests.pictures build/report shared/pictures

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build *.egg-info

$(ALL): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Triptych needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another with: make PYTHON=python3.11" % v)'
	@echo "Installing PyTorch, Flax and Keras into .venv: some minutes, and about 8 GB of disk."
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(INSTALL) --editable '.[all]'
	@touch $@

$(DEV): $(ALL)
	@$(INSTALL) --editable '.[all,dev]'
	@touch $@
