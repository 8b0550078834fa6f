"""What the verbs draw on a terminal, and what they leave out where there is none."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from shared import specs
from shared.compare import table as compare_table
from shared.compare.comparison import Comparison, Row
from shared.panels import PANELS
from shared.parity import table
from shared.parity.checks import Check, Outcome
from shared.terminal import COLOURS, bar, block, colour, is_amount, means, plot
from shared.train.loop import Epoch, History
from shared.train.worker import Request

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
ALL = list(PANELS)
CODES = {"magenta": 35, "green": 32, "blue": 34, "cyan": 36, "red": 31}
COLOURED = re.compile(r"\x1b\[(?:[0-9]+;)*3[0-7]m")
BARS = re.compile("[▖▄]+")
DRAWN = re.compile("[▖▄▁▂▃▅▆▇█]")
COSTS = [
    "training, images/s, steady",
    "first step (compile)",
    "start-up (process, import)",
    "training in all",
    "peak memory",
]
WIDTHS = [80, 100, 140, 200]


def printed(
    show: Any, value: Any, width: int = 120, *, terminal: bool = True, **environment: str
) -> str:
    """What a verb prints, at a terminal or in a pipe."""
    stream = io.StringIO()
    console = Console(
        width=width,
        height=25,
        file=stream,
        markup=False,
        force_terminal=terminal,
        _environ={"TERM": "xterm", **environment},
    )
    show(value, console)
    return stream.getvalue()


def in_ascii(show: Any, value: Any) -> str:
    """What a verb prints at a terminal that has ASCII alone, 80 characters wide."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    environment = {"TERM": "xterm"}
    show(value, Console(width=80, file=stream, force_terminal=True, _environ=environment))
    stream.flush()
    return raw.getvalue().decode("ascii")


def plain(text: str) -> list[str]:
    """The lines without their colours."""
    return [line.rstrip() for line in Text.from_ansi(text).plain.split("\n")]


def styled(text: str, words: str) -> str:
    """The codes that words are printed with."""
    match = re.search(rf"\x1b\[([0-9;]+)m{re.escape(words)} *\x1b\[0m", text)
    return match[1] if match else ""


# Pieces


def test_every_backend_has_a_colour_of_its_own_that_is_no_verdict() -> None:
    assert list(COLOURS) == ALL
    assert len(set(COLOURS.values())) == len(ALL)
    assert not {"red", "yellow", "white", "black"} & set(COLOURS.values())
    assert colour("torch#2") == colour("torch tuned") == COLOURS["torch"]
    assert colour("total") == ""


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(8, "▄▄▄▄"), (4, "▄▄"), (3, "▄▖"), (0.01, "▖"), (7.9, "▄▄▄▄")]
    + [(value, "") for value in (0, -1, None, math.nan, math.inf, -math.inf)],
)
def test_a_bar_is_as_long_as_its_share_of_the_largest(value: float | None, drawn: str) -> None:
    assert bar(value, 8, 4) == drawn
    assert is_amount(value) is bool(drawn)
    assert bar(value, 8, 0) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([1, 3, 3, 5, 5, 7, 0, 0], [2, 4, 6, 0]),
        ([1, 2], [1, 1, 2, 2]),
        ([5], [5, 5, 5, 5]),
        ([1, math.nan, math.inf, math.nan, 2, 2, 3, 5], [1, None, 2, 4]),
        ([], [None] * 4),
    ],
)
def test_many_values_and_few_are_put_into_as_many_columns(
    values: list[float], expected: list[float | None]
) -> None:
    assert means(values, 4) == expected


def test_a_mean_counts_every_value_once() -> None:
    values = [float(value) for value in range(60)]
    for width in (1, 2, 3, 4, 5, 6, 10):
        columns = [column for column in means(values, width) if column is not None]
        assert sum(columns) / width == pytest.approx(sum(values) / 60)
        assert columns == sorted(columns)


def test_a_plot_stands_on_its_lowest_row() -> None:
    assert plot([8, 4, 1, 0.001, 0, None, math.nan], 8, 1) == ["█▄▁▁   "]
    assert plot([8, 4, 6, 1, 0], 8, 2) == ["█ ▄  ", "███▂ "]
    assert block(-3) == block(0) == " "
    assert block(8) == block(80) == "█"


# compare


def readme_table() -> str:
    """What the README says that `make demo` prints."""
    blocks = re.findall(r"```text\n\$ make demo\n(.*?)```", README, re.DOTALL)
    (block,) = blocks
    return block.partition("written to")[0]


def parsed(table: str) -> list[tuple[str, list[str]]]:
    """The lines of a table with lines around its cells: titles, and what stands after them."""
    rows = [line.strip("│").split("│") for line in table.splitlines() if line.startswith("│")]
    return [(title.strip(), [cell.strip() for cell in cells]) for title, *cells in rows]


def row(name: str = "torch", **changes: Any) -> Row:
    """A backend's row; `changes` may be those of its history and of its epoch."""
    scores = changes.pop("scores", {"accuracy": 97.2})
    losses = changes.pop("loss", 0.0619), changes.pop("test_loss", 0.0918)
    epoch = Epoch(losses[0], 98.0, losses[1], 97.2, 1.0, 1.0, scores)
    history: dict[str, Any] = {
        "images_per_second": 3936.4,
        "first_step_seconds": 0.03,
        "seconds": 12.1,
        "losses": [2.3, 1.2, 0.6, 0.3, 0.2, 0.1],
    }
    history |= {each: changes.pop(each) for each in history if each in changes}
    fields: dict[str, Any] = {
        "versions": {name: "1.0"},
        "parameters": 421642,
        "output_shapes": {"logits": (64, 10)},
        "difference": 0.0,
        "startup_seconds": 1.45,
        "peak_memory_mib": 860.0,
        **changes,
    }
    return Row(**fields, history=History(specs.Settings(), 0, [epoch], **history))


def comparison(rows: Mapping[str, Row]) -> Comparison:
    settings = specs.find("mnist_classifier").settings
    request = Request("mnist_classifier", "sample", None, settings, 0, "cpu")
    return Comparison(request, "here", next(iter(rows), None), dict(rows))


def of_the_readme() -> dict[str, Row]:
    """Rows with the figures that the README shows."""
    cells = dict(parsed(readme_table()))

    def numbers(title: str, unit: str = "") -> list[float]:
        return [float(each.replace(",", "").removesuffix(unit)) for each in cells[title]]

    changes: dict[str, Sequence[Any]] = {
        "loss": numbers("final training loss"),
        "test_loss": numbers("test loss"),
        "scores": [{"accuracy": score} for score in numbers("test accuracy", " %")],
        "images_per_second": numbers("training, images/s, steady"),
        "first_step_seconds": numbers("first step (compile)", " s"),
        "startup_seconds": numbers("start-up (process, import)", " s"),
        "seconds": numbers("training in all", " s"),
        "peak_memory_mib": numbers("peak memory", " MiB"),
        "difference": [0.0, *map(float, cells["first forward pass, difference"][1:])],
        "versions": [
            {"jax": "0.1", name: version}
            for name, version in zip(ALL, cells["version"], strict=True)
        ],
    }
    return {
        name: row(name, **{key: values[i] for key, values in changes.items()})
        for i, name in enumerate(ALL)
    }


THREE = of_the_readme()
show = compare_table.show


def test_in_a_pipe_the_table_is_that_of_the_readme() -> None:
    text = printed(show, comparison(THREE), terminal=False)
    assert "\n".join(line.rstrip() for line in text.splitlines()) + "\n" == readme_table()
    assert printed(show, comparison(THREE), terminal=False, NO_COLOR="1", TERM="dumb") == text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("spec", [spec for spec in specs.SPECS.values() if spec.task])
def test_a_terminal_has_all_of_it_and_breaks_no_word(spec: specs.Spec, width: int) -> None:
    shapes = {name: (64, *tensor.shape) for name, tensor in spec.network.outputs.items()}
    scores = dict.fromkeys(spec.require_task().metrics, 97.2)
    rows = {}
    for name, each in THREE.items():
        last = replace(each.history.epochs[-1], test_scores=scores)
        history = replace(each.history, epochs=[last])
        rows[name] = replace(each, output_shapes=shapes, history=history)
    lines = plain(printed(show, comparison(rows), width))
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert any(line.split() == ALL for line in lines)
    for title, cells in parsed(printed(show, comparison(rows), 200, terminal=False)):
        if title not in ("output shape", ""):
            line = next(line for line in lines if line.startswith(f"{title} "))
            assert BARS.sub("", line).split() == [*title.split(), *" ".join(cells).split()]
    for name, shape in shapes.items():
        assert text.count(name) >= 3
        assert max(text.count(str(shape)), text.count("x".join(map(str, shape)))) >= 3


@pytest.mark.parametrize("width", WIDTHS)
def test_bars_are_scaled_to_the_largest_of_their_line(width: int) -> None:
    lengths = {}
    for line in plain(printed(show, comparison(THREE), width)):
        title = next((title for title in COSTS if line.startswith(title)), None)
        if title:
            bars = [match[0] for match in BARS.finditer(line)]
            lengths[title] = [2 * bar.count("▄") + bar.count("▖") for bar in bars]
    assert list(lengths) == COSTS
    (longest,) = {max(drawn) for drawn in lengths.values()}  # whatever the line
    assert longest >= 2 * compare_table.SHORTEST
    for title, values in (
        (COSTS[0], [each.history.images_per_second for each in THREE.values()]),
        (COSTS[1], [each.history.first_step_seconds for each in THREE.values()]),
        (COSTS[2], [each.startup_seconds or 0 for each in THREE.values()]),
        (COSTS[3], [each.history.seconds for each in THREE.values()]),
        (COSTS[4], [each.peak_memory_mib or 0 for each in THREE.values()]),
    ):
        shares = [max(value / max(values) * longest, 1) for value in values]
        assert lengths[title] == pytest.approx(shares, abs=0.5)


@pytest.mark.parametrize(
    ("memory", "width", "drawn"),
    [(860.0, 80, True), (123_456.0, 80, False), (123_456.0, 100, True), (860.0, 60, False)],
)
def test_bars_are_dropped_where_there_is_no_room(memory: float, width: int, drawn: bool) -> None:
    rows = {name: replace(each, peak_memory_mib=memory) for name, each in THREE.items()}
    lines = plain(printed(show, comparison(rows), width))
    assert max(map(len, lines)) <= width
    rates = next(line for line in lines if "3,936" in line)
    assert bool(BARS.search(rates)) is drawn


def bold(text: str) -> list[str]:
    """What is bold and has no colour."""
    return [match[1].strip() for match in re.finditer(r"\x1b\[1m([^\x1b]*)\x1b", text)]


def test_the_best_is_bold_where_one_is_better_and_nothing_else_is() -> None:
    rows = {
        "torch": row(images_per_second=900.0, first_step_seconds=0.1, peak_memory_mib=900.0),
        "flax": row(startup_seconds=0.5, seconds=1.0, peak_memory_mib=90.0, loss=0.01),
        "keras": row(scores={"accuracy": 99.0}, test_loss=0.01, first_step_seconds=0.02),
    }
    marked = [text for text in bold(printed(show, comparison(rows), 80)) if text]
    assert marked == [
        "mnist_classifier on sample", "3,936", "3,936", "0.02 s", "0.50 s", "1.0 s", "90 MiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("memory", "marked"),
    [
        ([500.1, 500.2, 600], ["500 MiB", "500 MiB"]),
        ([500.1, 500.2, 500.3], []),
        ([500.0, None, None], []),
        ([None, 600.0, 500.0], ["500 MiB"]),
        ([math.nan, 600.0, 500.0], ["500 MiB"]),
        ([500.0], []),
    ],
)
def test_what_reads_alike_is_marked_alike(memory: list[float | None], marked: list[str]) -> None:
    rows = {n: row(n, peak_memory_mib=m) for n, m in zip(ALL, memory, strict=False)}
    assert [text for text in bold(printed(show, comparison(rows), 80)) if "MiB" in text] == marked


def test_every_backend_is_drawn_in_its_colour() -> None:
    text = printed(show, comparison(THREE), 100)
    for name, shade in COLOURS.items():
        assert re.search(rf"\x1b\[1;{CODES[shade]}m *{name}\x1b", text)
        assert re.search(rf"\x1b\[{CODES[shade]}m[▄▖]", text)
        assert re.search(rf"\x1b\[{CODES[shade]}m[█▁▂▃▄▅▆▇]", text)


def test_losses_are_plotted_on_one_scale_from_left_to_right() -> None:
    falling = [2.0] * 100 + [1.0] * 100 + [0.0] * 100
    losses = {"torch": falling, "flax": falling[::-1], "keras": [each / 2 for each in falling]}
    rows = {name: row(name, losses=values) for name, values in losses.items()}
    lines = plain(printed(show, comparison(rows), 3 * 14 + 38))
    start = next(i for i, line in enumerate(lines) if line.startswith("training loss, step by"))
    assert lines[start + 1].startswith("from 0 to 2 ")
    shown = [line[32:].ljust(46) for line in lines[start : start + compare_table.PLOT_HEIGHT]]
    heights = [
        sum("▁▂▃▄▅▆▇█".find(line[place]) + 1 for line in shown) / 8 / len(shown)
        for place in range(46)
    ]
    first, second, third = (heights[at : at + 14] for at in (0, 16, 32))
    assert first[:4] == [1.0] * 4
    assert first[5:9] == [0.5] * 4
    assert first[-4:] == [0.0] * 4
    assert second == pytest.approx(first[::-1], abs=0.04)
    assert third == pytest.approx([each / 2 for each in first], abs=0.04)


@pytest.mark.parametrize("width", [60, *WIDTHS])
def test_figures_that_are_missing_or_no_numbers_have_no_bar(width: int) -> None:
    rows = {
        "torch": row(
            images_per_second=0.0,
            first_step_seconds=math.nan,
            startup_seconds=None,
            peak_memory_mib=None,
            seconds=math.inf,
            difference=math.inf,
            losses=[math.nan, math.inf],
        ),
        "flax": row(losses=[]),
        "keras": row(losses=[1.0]),
    }
    for terminal in (True, False):
        text = " ".join(plain(printed(show, comparison(rows), width, terminal=terminal)))
        assert "nan s" in text
        assert re.search(r"not\s+known", text)
    nothing = {name: row(name, losses=[math.nan], images_per_second=0.0) for name in ALL}
    text = printed(show, comparison(nothing), width)
    assert "step by step" not in text


def test_one_backend_alone_is_held_against_nothing() -> None:
    text = printed(show, comparison({"flax": row("flax")}), 80)
    assert not any(BARS.search(line) for line in plain(text) if line.startswith(tuple(COSTS)))
    assert "step by step" in text
    assert "860 MiB" in text
    assert not re.search(r"\x1b\[1m *(860|3,936)", text)
    none = printed(show, Comparison(comparison({}).request, "here", errors={"flax": "gone"}), 80)
    assert plain(none)[0] == "flax: gone"


@pytest.mark.parametrize("width", [80, 140])
def test_without_colours_a_comparison_is_drawn_in_one(width: int) -> None:
    coloured = printed(show, comparison(THREE), width)
    text = printed(show, comparison(THREE), width, NO_COLOR="1")
    assert COLOURED.search(coloured)
    assert not COLOURED.search(text)
    assert plain(text) == plain(coloured)


def test_a_comparison_for_a_terminal_that_draws_nothing() -> None:
    dumb = printed(show, comparison(THREE), 80, TERM="dumb")
    assert "\x1b" not in dumb
    assert not DRAWN.search(dumb)
    assert all(len(line) <= 80 for line in dumb.splitlines())
    cells = [cell for _, cells in parsed(readme_table()) for cell in cells]
    assert set(" ".join(cells).split()) <= set(dumb.split())
    ascii_only = "\n".join(plain(in_ascii(show, comparison(THREE))))
    assert ascii_only.split() == dumb.replace("─", "-").split()


# parity


def check(
    rung: str, status: Any = "passed", difference: float | None = None, **changes: Any
) -> Any:
    fields = {"tolerance": 1e-12, "detail": "a reason", "between": "torch-flax", **changes}
    return Check(
        rung,
        fields.pop("architecture", "unet"),
        fields.pop("case", "default"),
        fields.pop("dtype", "float64"),
        fields.pop("between"),
        status,
        difference,
        **fields,
    )


def outcome(checks: Sequence[Check]) -> Outcome:
    return Outcome(list(checks), {name: {name: "1.0"} for name in ALL})


def climbed() -> Outcome:
    """Every rung of every case, with all that may become of them."""
    checks = []
    for spec in specs.SPECS.values():
        for case in spec.cases:
            for dtype, alone in (("float64", "variants"), ("float32", "teacher-forced")):
                for number, rung in enumerate(table.MEASURED):
                    if rung in ("variants", "teacher-forced") and rung != alone:
                        continue
                    of = {"architecture": spec.name, "case": case.label, "dtype": dtype}
                    checks.append(check(rung, "passed", number * 1e-14, **of))
                    if rung in ("teacher-forced", "optimizers", "resume"):
                        checks += [check(rung, "bounded", 1e-3, **of)] * 2
    return outcome(checks)


@pytest.mark.parametrize("width", [80, 100, 120, 140, 200])
def test_every_figure_of_the_ladder_fits_and_no_word_is_cut(width: int) -> None:
    ladder = climbed()
    lines = plain(printed(table.show, ladder, width))
    for line in lines:
        assert len(line) <= width or line.startswith("bounded, ")
    text = "\n".join(lines)
    assert "…" not in text
    cases = [case for spec in specs.SPECS.values() for case in spec.cases]
    for case in cases:
        assert f"  {case.label} " in text
    for number, rung in enumerate(table.MEASURED):
        times = len(cases) * (1 if rung in ("variants", "teacher-forced") else 2)
        assert text.count(f"{number * 1e-14:.0e}") >= times
        beginning = table.BROKEN.get(rung, rung).split("\n")[0]
        assert rung in text or beginning in text
    assert text.count("+2") >= 5 * len(cases)
    tallies = re.findall(r"(\d+)/(\d+)", text)
    assert len(tallies) == 2 * len(cases)
    if width == 200:
        assert sum(line.count("e-1") >= 5 for line in lines) >= 2 * len(cases)


def test_a_pipe_has_the_table_with_lines_and_no_legend() -> None:
    text = printed(table.show, climbed(), 160, terminal=False)
    assert "┃ architecture, case " in text
    assert "\x1b" not in text
    assert not DRAWN.search(text)
    assert "a difference may be" not in text
    assert "a difference may be" in printed(table.show, climbed(), 160)


@pytest.mark.parametrize(
    ("checks", "cell", "codes"),
    [
        ([check("loss", difference=1e-16)], "1e-16 ▁", "1;32"),
        ([check("loss", difference=0.0)], "0e+00 ▁", "1;32"),
        ([check("loss", difference=1e-13)], "1e-13 ▆", "32"),
        ([check("loss", difference=1e-12)], "1e-12 █", "32"),
        ([check("loss", difference=1e-13, tolerance=None)], "1e-13", "32"),
        ([check("loss", difference=1e-13, tolerance=0.0)], "1e-13", "32"),
        ([check("loss", difference=math.nan)], "nan", "32"),
        ([check("loss")], "ok", "32"),
        (
            [check("loss", difference=1e-16), check("loss", "bounded", 1e-3)],
            "1e-16 ▁ +1",
            "36",
        ),
        ([check("loss", "bounded", 1e-3)], "ok +1", "36"),
        ([check("loss", difference=1e-16), check("loss", "failed", 1e-3)], "1e-03 !", "1;31"),
        ([check("loss", "failed", math.inf)], "inf !", "1;31"),
        ([check("loss", "failed")], "failed !", "1;31"),
        ([check("loss", difference=1e-16), check("loss", "missing")], "missing", "35"),
    ],
)
def test_a_cell_says_what_became_of_its_checks(checks: list[Check], cell: str, codes: str) -> None:
    for width in (80, 200):
        text = printed(table.show, outcome(checks), width)
        body = text[: text.rindex("to █")]
        assert f"\x1b[{codes}m{cell}\x1b" in body
        uncoloured = printed(table.show, outcome(checks), width, NO_COLOR="1")
        assert not COLOURED.search(uncoloured)
        assert plain(uncoloured) == plain(text)
        assert cell in uncoloured


def test_blocks_grow_with_the_share_of_what_may_differ() -> None:
    shares = [0.0, 1e-9, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 0.6, 1.0, 2.0, math.inf]
    blocks = [table.level(share) for share in shares]
    assert blocks == sorted(blocks)
    assert (blocks[0], blocks[2], blocks[9]) == ("▁", "▁", "█")
    assert len(set(blocks)) >= 6


def test_the_ladder_for_a_terminal_that_draws_nothing() -> None:
    ladder = outcome([*climbed().checks, check("loss", "failed", 1.0)])
    dumb = printed(table.show, ladder, 80, TERM="dumb")
    assert "\x1b" not in dumb
    assert dumb.isascii()
    assert "1e+00 !" in dumb
    assert "a difference may be" not in dumb
    ascii_only = plain(in_ascii(table.show, ladder))
    assert [line for line in ascii_only if not line.startswith("bounded")] == [
        line for line in plain(dumb) if not line.startswith("bounded")
    ]


def test_nothing_that_was_measured_makes_no_table() -> None:
    text = printed(table.show, Outcome(), 80)
    assert "0 checks" in text
    assert "float" not in text


@pytest.mark.parametrize(("width", "terminal"), [(80, True), (200, True), (200, False)])
def test_the_tallies_add_up_to_the_number_of_checks(width: int, terminal: bool) -> None:
    names = [*specs.SPECS][:2]
    source: dict[str, Any] = {"case": "sources", "dtype": ""}
    ladder = outcome(
        [
            check("mirror", architecture=names[0], **source),
            check("mirror", "failed", architecture=names[1], **source),
            *(one for one in climbed().checks if one.architecture in names),
        ]
    )
    text = "\n".join(plain(printed(table.show, ladder, width, terminal=terminal)))
    tallies = [(int(good), int(count)) for good, count in re.findall(r"(\d+)/(\d+)", text)]
    assert sum(count for _, count in tallies) == len(ladder.checks)
    assert sum(good for good, _ in tallies) == len(ladder.checks) - 1
    assert text.count("sources") - text.count("sources,") == 2
    assert text.index("sources") < text.index(names[1]), "an architecture's rows stand together"
    assert "\n\n\n" not in text


def test_a_pipe_is_told_what_a_plus_means() -> None:
    told = "+2: two more that are bounded by a stated cause"
    bounded = [check("loss", difference=1e-13), *[check("loss", "bounded", 1e-3)] * 2]
    assert told in plain(printed(table.show, outcome(bounded), 120, terminal=False))
    assert told not in printed(table.show, outcome(bounded[:1]), 120, terminal=False)


@pytest.mark.parametrize("terminal", [True, False])
def test_one_backend_alone_has_a_title_of_its_own(terminal: bool) -> None:
    alone = outcome([check("counts", between="flax")])
    alone.versions = {"flax": {"flax": "1.0"}}
    text = " ".join(" ".join(plain(printed(table.show, alone, 120, terminal=terminal))).split())
    assert "flax alone, held against no other backend" in text
    assert "difference of" not in text
