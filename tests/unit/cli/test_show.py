"""`triptych show`."""

import pytest

from shared import specs
from shared.cli import describing
from shared.panels import PANELS, source
from tests.printed import as_json
from tests.unit.cli.conftest import Triptych


@pytest.mark.parametrize("backend", PANELS)
def test_show_in_a_pipe_gives_the_file_itself(backend: str, triptych: Triptych) -> None:
    status, out, _ = triptych("show", "simple_resnet", "--backend", backend)
    assert status == 0
    assert out == source(backend, "residual").read_text()


def test_show_has_all_three_panels(triptych: Triptych, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, text, _ = triptych("show", "mimo_net")
    for word in ("nn.Module", "keras.Model", "def setup", "def forward", "def call"):
        assert word in text


@pytest.mark.parametrize("names", [("basic_net", "branching_net"), ("BasicNet", "branching")])
def test_show_has_two_architectures_beside_each_other(
    names: tuple[str, str], triptych: Triptych
) -> None:
    lines = triptych("show", *names)[1].splitlines()  # in a pipe 60 characters each
    for package in PANELS.values():
        assert [f"{package}/mlp.py", f"{package}/branching.py"] in [line.split() for line in lines]
    assert sum(line.count("class BasicNet(") for line in lines) == 3
    assert sum("class BasicNet(" in line and "class BranchingNet(" in line for line in lines) == 3


def test_show_of_one_panel_has_only_that_of_several_architectures(triptych: Triptych) -> None:
    _, text, _ = triptych("show", "mimo_net", "basic_net", "--backend", "keras")
    assert ["keras_impl/mimo.py", "keras_impl/mlp.py"] in map(str.split, text.splitlines())
    assert "torch_impl" not in text


def test_show_says_what_an_architecture_takes_and_gives(triptych: Triptych) -> None:
    lines = triptych("show", "resnet", "MIMO", "--backend", "flax")[1].splitlines()
    assert lines[:7] == [
        "simple_resnet: residual blocks with batch norm in two stages",
        "  shows    blocks within blocks, batch norm, a shortcut that may change the shape",
        "  files    residual.py",
        "  inputs   image (N, 28, 28, 1)",
        "  outputs  logits (N, 10)",
        "  size     736,970 parameters, 1,920 buffers",
        "",
    ]
    assert lines[7].startswith("mimo_net: ")
    assert "  inputs   image (N, 28, 28, 1), metadata (N, 10)" in lines


def test_what_an_architecture_is_fits_a_narrow_terminal(
    triptych: Triptych, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = triptych("show", "resnet")[1].splitlines()
    assert lines[1:4] == [
        "  shows    blocks within blocks, batch norm, a shortcut that",
        "           may change the shape",
        "  files    residual.py",
    ]


def test_show_finds_the_file_of_a_part_and_shows_it_once(triptych: Triptych) -> None:
    names = ("MultiHeadAttention", "attention", "EncoderLayer")
    _, out, _ = triptych("show", *names, "--backend", "torch")
    assert out == source("torch", "attention").read_text()


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = as_json(capsys, "show", "mimo_net")
    assert value["architectures"] == [describing.row(specs.find("mimo_net"))]
    (table,) = value["tables"]
    assert list(table["columns"]) == list(PANELS)
    for backend, column in table["columns"].items():
        assert column["path"] == str(source(backend, "mimo"))
    assert "MIMONet.forward" in [row["role"] for row in table["rows"]]
    tables = as_json(capsys, "show", "mimo_net", "basic_net", "--backend", "flax")["tables"]
    assert [list(table["columns"]) for table in tables] == [["mimo", "mlp"]]


def test_show_needs_a_name(triptych: Triptych) -> None:
    status, _, err = triptych("show")
    assert status == 2
    assert err.startswith("triptych: show needs ARCHITECTURE (a name from `triptych list`")
