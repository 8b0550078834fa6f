"""The file and the line of what ran where two backends part."""

from pathlib import Path

import pytest

from shared.interface import Step, Trace
from shared.panels import PANELS
from shared.parity import recipes, sources
from shared.parity.checks import Check
from shared.parity.locate import LOSS, Divergence
from shared.parity.places import functions, place, placed, side
from shared.registry import FOLDER


def step(kind: str, layer: str, line: int, *inputs: int | str, block: str = "") -> Step:
    return Step(kind, layer, block, 0, inputs, ((2, 3),), "mlp", line)


# first(x); relu; hidden(.); a skip over it; relu; another block; the output scaled in two lines
TRACE = Trace(
    (
        step("Dense", "first", 10, "x"),
        step("relu", "", 11, 0),
        step("Dense", "hidden", 12, 1),
        step("add", "", 13, 2, 1),
        step("relu", "", 14, 3),
        step("Dense", "block.fc", 30, 4, block="block"),
        step("tanh", "", 31, 5, block="block"),
        step("Dense", "last", 16, 6),
        step("mul", "", 17, 7),
        step("add", "", 18, 8),
    ),
    {"": "Net", "block": "Block"},
    {"x": (2, 3)},
    {"logits": 9, "features": 7},
)


@pytest.mark.parametrize(
    ("layer", "point", "expected"),
    [
        ("first", "the output of first", "10"),
        ("hidden", "the input of hidden", "11"),
        ("hidden", "the gradient of hidden.weight", "12"),
        ("block.fc", "the input of block.fc", "13-14"),  # and not 11, which hidden took as well
        ("block", "the input of block", "13-14"),
        ("block", "the output of block", "31"),
        ("last", "the input of last", "31"),
        ("first", "the input of first", "10"),
        ("", "the network's output logits", "17-18"),
        ("", "the network's output features", "16"),
    ],
)
def test_a_divergence_is_in_a_line(layer: str, point: str, expected: str) -> None:
    first = Divergence("forward", "evaluation", layer, point, 0.1)
    assert place("flax", TRACE, first) == f"flax_impl/mlp.py:{expected}"


@pytest.mark.parametrize(
    ("layer", "point"),
    [
        ("", "the loss of equal outputs"),
        ("", "the network's output of tomorrow"),
        ("gone", "the output of gone"),
        ("gone", "the input of gone"),
    ],
)
def test_what_no_line_makes_has_none(layer: str, point: str) -> None:
    assert place("torch", TRACE, Divergence("loss", "training", layer, point, 0.1)) == ""


def test_checks_have_the_places_of_both_sides() -> None:
    first = Divergence("forward", "evaluation", "first", "the output of first", 0.1)
    failed = Check("forward", "net", "case", "float64", "torch-keras", "failed", first=first)
    passed = Check("loss", "net", "case", "float64", "torch-keras", "passed")
    both, other = placed([failed, passed], {"torch": TRACE, "keras": TRACE, "flax": TRACE})
    assert other == passed
    assert both.first
    assert both.first.place == "torch_impl/mlp.py:10, keras_impl/mlp.py:10"
    assert side("keras", both.first.place) == "keras_impl/mlp.py:10"
    assert side("flax", both.first.place) == ""
    (one, _) = placed([failed, passed], {"keras": TRACE})
    assert one.first
    assert one.first.place == "keras_impl/mlp.py:10"
    (none, _) = placed([failed, passed], {})
    assert none.first == first


@pytest.mark.parametrize(
    ("rung", "point", "kind", "expected"),
    [
        ("loss", LOSS, "", ["total_loss"] * 3),
        ("gradients", LOSS, "smoothing", ["total_loss"] * 3),
        ("optimizers/adam", "fc.weight after one step", "beta", ["make_optimizer"] * 3),
        ("optimizers/cosine", "fc.weight after step 9", "schedule", ["make_schedule"] * 3),
        (
            "optimizers/clipped",
            "fc.weight after one step",
            "clipping",
            ["clip", "make_optimizer", "make_optimizer"],
        ),
    ],
)
def test_a_loss_and_an_optimizer_are_where_their_function_begins(
    rung: str, point: str, kind: str, expected: list[str]
) -> None:
    for backend, function in zip(PANELS, expected, strict=True):
        first = Divergence(rung, "training", "", point, 0.1, kind)
        failed = Check("loss", "net", "case", "float64", f"{backend}-other", "failed", first=first)
        (told,) = placed([failed], {})
        assert told.first
        file, _, number = told.first.place.partition(":")
        line = (FOLDER / file).read_text().splitlines()[int(number) - 1]
        assert line.startswith(f"def {function}(")
        assert file == f"{PANELS[backend]}/training.py"


def test_what_a_library_ships_has_no_line_of_a_panel() -> None:
    rung = f"optimizers/{recipes.SHIPPED}"
    first = Divergence(rung, "training", "fc", "fc.weight after one step", 0.1)
    assert functions(first) == []


def test_a_file_that_cannot_be_read_has_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training.py").write_text("def total_loss(:\n")
    paths = {"torch_impl/training.py": tmp_path / "training.py"}
    monkeypatch.setattr(sources, "files", lambda _: paths)
    first = Divergence("loss", "training", "", LOSS, 0.1)
    failed = Check("loss", "net", "case", "float64", "torch-flax", "failed", first=first)
    (told,) = placed([failed], {})
    assert told.first == first
