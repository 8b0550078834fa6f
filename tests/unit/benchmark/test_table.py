"""What is shown of a benchmark, and written into Markdown."""

from pathlib import Path
from typing import Any

import pytest

from shared.benchmark import table
from shared.errors import ConfigurationError, DataError
from tests.unit.benchmark.workers import benched, load, printed, with_costs


@pytest.mark.usefixtures("quiet")
def test_everything_is_shown() -> None:
    outcome, _ = benched()
    outcome.costs = with_costs()
    text = printed(outcome)
    for words in (
        "mnist_classifier: float32 on cpu, training in batches of 64, rounds 3 of 0.5 s",
        "training, images/s",
        "2,000 ±0 %",
        "500.00 / 500.00 ms",
        "1 epoch in all",
        "15.25 s",
        "3.00 GB",
        "500 MiB",
        "not known",
        "torch, tuned over idiomatic: training 2.00 x, inference of 64 1.00 x",
        "memory +100 MiB",
        "first outputs, difference from torch idiomatic's: torch tuned 0.0e+00, flax",
        "1,000 GFLOP/s",
        "foreign load: 0.0 %",
        "torch: torch 9",
        "threads: 2",
        "takes 1.10 s, as many native steps in a bare loop 1.00 s (+10 %)",
        "loading: an epoch of our batches takes 1.00 ms, of torchvision's 500 ms (500 x)",
        "triptych list takes 0.20 s, a bare interpreter 0.02 s",
        "1,000 x 4: 5.00 s and 600 MiB",
    ):
        assert words in text
    assert "did not become steady" not in text
    unsteady, _ = benched(backends=("keras",))
    assert "keras tuned: training did not become steady in 1 s" in printed(unsteady)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("percent", "told"), [(25.0, True), (3.0, False), (None, False)])
def test_foreign_load_is_warned_of(
    percent: float | None, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, percent)
    outcome, _ = benched()
    assert outcome.disturbed is told
    text = printed(outcome)
    assert ("WARNING: other processes took 25 %" in text) is told
    assert ("foreign load: not known" in text) is (percent is None)
    assert ("WARNING" in table.markdown(outcome)) is told


@pytest.mark.usefixtures("quiet")
def test_markdown_has_the_first_architecture_whole_and_all_side_by_side() -> None:
    outcome, _ = benched(architectures=("basic_net", "mimo_net"))
    text = table.markdown(outcome)
    assert text.count("| torch tuned |") == 1
    for name in ("basic_net", "mimo_net"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.startswith(f"| `{name}` | 2.00, 2.00 | ")
        assert line.endswith(" | 1.00, 1.00 | 1.00, 1.00 | 1.25, 1.25 |")
    outcome, _ = benched({"flax tuned": "train"}, architectures=("basic_net", "mimo_net"))
    assert "| `mimo_net` | 2.00, - | " in table.markdown(outcome)
    alone, _ = benched(architectures=("basic_net",))
    assert "| `basic_net` |" not in table.markdown(alone)


@pytest.mark.usefixtures("quiet")
def test_figures_are_put_between_the_marks_of_a_file(tmp_path: Path) -> None:
    outcome, _ = benched()
    path = tmp_path / "page.md"
    path.write_text(f"Before.\n\n{table.BEGIN}\nold\n{table.END}\n\nAfter.\n")
    for _ in range(2):  # twice is as once
        table.write(outcome, path)
        text = path.read_text()
        assert text.startswith(f"Before.\n\n{table.BEGIN}\n`mnist_classifier`, training in batches")
        assert text.endswith(f"\n{table.END}\n\nAfter.\n")
        assert "old" not in text
        assert text.count("torch tuned |") == 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 6
    assert {line.count("|") for line in rows} == {rows[0].count("|")}
    assert "| 2,000 ±0 % |" in text


@pytest.mark.usefixtures("quiet")
def test_figures_that_cannot_be_written_leave_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, _ = benched()
    path = tmp_path / "page.md"
    text = f"Before.\n\n{table.BEGIN}\nold\n{table.END}\n\nAfter.\n"
    path.write_text(text)

    def full(self: Path, *_: Any) -> None:
        self.open("w").close()
        raise OSError(28, "No space left on device")

    for name in ("write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, full)
    with pytest.raises(DataError, match=r"cannot write .*page.md: No space left on device"):
        table.write(outcome, path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text", ["", f"{table.BEGIN}", f"{table.END} {table.BEGIN}", 2 * f"{table.BEGIN} {table.END}"]
)
def test_a_file_without_the_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="once each, to put the figures between"):
        table.check_marks(path)
