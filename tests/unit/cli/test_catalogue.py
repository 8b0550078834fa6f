"""`triptych list`."""

import pytest

from shared import specs
from tests.printed import as_json
from tests.unit.cli.conftest import Triptych


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = as_json(capsys, "list")
    assert [row["name"] for row in rows] == list(specs.SPECS)
    assert rows[0]["parameters"] == 109_386
    assert rows[1]["inputs"] == ["image (N, 28, 28, 1)", "metadata (N, 10)"]
    assert rows[1]["outputs"] == ["class_output (N, 10)", "reg_output (N, 1)"]
    assert rows[0]["shows"] == specs.SPECS["basic_net"].shows
    assert next(row for row in rows if row["name"] == "seq2seq")["files"] == [
        "seq2seq.py",
        "attention.py",
    ]


def test_list_has_a_line_for_each_architecture_where_there_is_room(
    triptych: Triptych, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    status, out, err = triptych("list")
    assert (status, err) == (0, "")
    title, *lines = out.splitlines()
    assert title.split() == ["architecture", "what", "it", "shows", "parameters"]
    for line, spec in zip(lines, specs.SPECS.values(), strict=True):
        name, text = line.split(maxsplit=1)
        assert (name, text.split()) == (
            spec.name,
            [*spec.shows.split(), f"{spec.parameters:,}"],
        )
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("columns", [60, 80, 100, 200, None])
def test_list_fits_the_terminal_and_a_pipe_of_80(
    columns: int | None, triptych: Triptych, monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    out = triptych("list")[1]
    assert max(map(len, out.splitlines())) <= (columns or 80)
    for spec in specs.SPECS.values():
        assert f"\n{spec.name} " in out
        assert {*spec.shows.split(), f"{spec.parameters:,}"} <= {*out.split()}
