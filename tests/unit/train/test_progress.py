"""What is shown of a training while it runs."""

import pytest
from rich.console import Console

from shared.specs import DIGITS, Settings
from shared.train import loop
from shared.train.progress import progress
from tests.unit.train.recorder import Recorder, data


def reports(console: Console) -> str:
    model = Recorder()
    with progress("torch", console) as report:
        loop.fit(
            model,  # type: ignore[arg-type]
            DIGITS,
            data(),
            Settings(epochs=2, batch_size=4),
            report=report,
        )
    return console.export_text()


def test_progress_without_a_terminal_is_a_plain_line_an_epoch() -> None:
    lines = reports(Console(record=True, width=40, force_terminal=False)).splitlines()
    assert [line.split(":")[0] for line in lines] == ["torch epoch 1/2", "torch epoch 2/2"]
    assert all("loss" in line and "images/s" in line and "test" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_progress_on_a_terminal_is_a_bar_with_figures() -> None:
    text = reports(Console(record=True, width=150, force_terminal=True))
    last = text.strip().splitlines()[-1]
    assert "torch epoch 2/2" in last
    assert "100%" in last
    assert "images/s" in last
    assert "accuracy" in last


@pytest.mark.parametrize(
    ("metric", "figures"),
    [
        ("accuracy", "test accuracy 98.12 %, loss 0.0412"),
        ("decoded_accuracy", "test digits right, decoded 98.12 %"),
    ],
)
def test_nothing_is_cut_in_80_columns(metric: str, figures: str) -> None:
    console = Console(record=True, width=80, force_terminal=True)
    finished = loop.Epoch(0.0412, 98.76, 0.05, 98.12, 1.0, 0.1, {metric: 98.12})
    with progress("keras", console) as report:
        report(loop.Progress(10, 10, 63, 63, 0.0412, 98.76, 123456.0, finished))
    text = console.export_text()
    assert text.startswith("keras: starting")
    last = "keras" + text.rpartition("keras")[2].rstrip()
    assert last.startswith("keras epoch 10/10 ")
    assert f"100% {figures} " in last
    assert "…" not in last
    assert len(last) <= 80
