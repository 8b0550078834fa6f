"""`triptych show`: pieces of sources, their alignment, and what is printed at every width."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from shared.errors import ConfigurationError
from shared.panels import PANELS, source
from shared.show import columns as module
from shared.show.columns import NARROWEST, Piece, align, fold, pieces, show, to_dict
from shared.specs import SPECS

ROOT = Path(module.__file__).parents[2]
FILES = sorted({case.network.file for spec in SPECS.values() for case in spec.cases})
ALL = list(PANELS)
GAP = 3  # characters between two columns


def text_of(file: str, backend: str) -> str:
    return source(backend, file).read_text("utf-8")


def solid(text: str | Iterable[str]) -> str:
    """A text without white space, which folding may change."""
    return "".join("".join(text).split())


def printed(
    files: str | Sequence[str], backends: Sequence[str], width: int, *, terminal: bool = False
) -> str:
    stream = io.StringIO()
    environment = {"TERM": "xterm"}  # not the tests' own, which may forbid colours or force them
    show(
        [files] if isinstance(files, str) else files,
        backends,
        Console(width=width, file=stream, force_terminal=terminal, _environ=environment),
    )
    return stream.getvalue()


def columns(output: str, width: int, names: Sequence[str]) -> dict[str, list[str]]:
    """The columns of a plain output without their titles; the gaps between them are empty.

    The names are those of panels, or titles.
    """
    each = (width - GAP * (len(names) - 1)) // len(names)
    by_name: dict[str, list[str]] = {}
    lines = output.splitlines()
    assert max(len(line) for line in lines) <= width
    for i, name in enumerate(names):
        start = i * (each + GAP)
        column = [line[start : start + each].rstrip() for line in lines]
        assert not "".join(line[start + each : start + each + GAP] for line in lines).strip()
        assert column[0].startswith(f"{name}: {PANELS[name]}/" if name in PANELS else name)
        assert column[1] == ""
        by_name[name] = column[2:]
    return by_name


def stacked(output: str) -> list[tuple[str, str, list[str]]]:
    """The sections of a plain stacked output: panel, label, lines."""
    sections: list[tuple[str, str, list[str]]] = []
    for line in output.splitlines():
        if line.startswith("-- "):
            name, _, label = line.removeprefix("-- ").partition(": ")
            sections.append((name, label, []))
        else:
            sections[-1][2].append(line)
    return sections


def panels(output: str) -> dict[str, str]:
    """What several files' output has for each panel, in their order."""
    by_panel: dict[str, str] = {}
    for line in output.splitlines():
        place = line.removeprefix("-- ")
        name = next((name for name in ALL if place.startswith(f"{PANELS[name]}/")), "")
        if name and name not in by_panel:
            by_panel[name] = ""
        by_panel[[*by_panel][-1]] += line + "\n"
    return by_panel


def titles(files: Sequence[str], backend: str) -> list[str]:
    return [f"{PANELS[backend]}/{file}.py" for file in files]


def starts(column: Sequence[str], cut: Sequence[Piece]) -> dict[str, int]:
    """The row on which each piece begins, its blank lines counted, in a column without folds."""
    row, rows = 0, {}
    for piece in cut:
        lines = [line.plain for line in piece.lines]
        blank = next(i for i, line in enumerate(lines) if line)
        while column[row] != lines[blank]:
            assert not column[row]
            row += 1
        rows[piece.role] = row - blank
        assert [line.rstrip() for line in column[row : row + len(lines) - blank]] == lines[blank:]
        row += len(lines) - blank
    assert not any(column[row:])
    return rows


# Pieces


def test_the_catalogue_has_files() -> None:
    assert len(FILES) >= 6


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", ALL)
def test_every_line_is_in_one_piece_and_in_order(file: str, backend: str) -> None:
    text = text_of(file, backend)
    cut = pieces(text, backend)
    assert [line.plain for piece in cut for line in piece.lines] == text.splitlines()
    roles = [piece.role for piece in cut]
    assert len(set(roles)) == len(roles) >= 4
    assert roles[0] == ""


@pytest.mark.parametrize(
    ("backend", "constants"), [("torch", []), ("flax", ["BatchNorm"]), ("keras", ["BatchNorm"])]
)
def test_pieces_are_named_by_their_roles(backend: str, constants: list[str]) -> None:
    roles = [piece.role for piece in pieces(text_of("residual", backend), backend)]
    assert roles == [
        "",
        *constants,
        "ResidualBlock",
        "ResidualBlock.forward",
        "ResidualBlock.get_config",
        "make_stage",
        "SimpleResNet",
        "SimpleResNet.forward",
        "SimpleResNet.get_config",
    ]


def test_a_piece_begins_with_its_blank_lines_comments_and_decorators() -> None:
    text = """\"\"\"A module.\"\"\"

import a

# About the constant.
LIMIT: int = 3
"What it is."


# About the class.
@decorated(
    1
)
class Net:
    size: int

    # About the constructor.
    def __post_init__(self):
        pass

    def setup(self):
        pass

    # About the property.

    @property
    def log(self):
        '''A text.

        # no comment
        '''

    @log.setter
    def log(self, value):
        pass

    def __call__(self):
        def inner():
            pass
# At the end.
"""
    cut = {piece.role: [line.plain for line in piece.lines] for piece in pieces(text, "flax")}
    assert list(cut) == ["", "LIMIT", "Net", "Net.log", "Net.forward"]
    assert cut[""] == ['"""A module."""', "", "import a"]
    assert cut["LIMIT"] == ["", "# About the constant.", "LIMIT: int = 3", '"What it is."']
    assert cut["Net"][:4] == ["", "", "# About the class.", "@decorated("]
    assert cut["Net"][-2:] == ["    def setup(self):", "        pass"]
    assert cut["Net.log"][:2] == ["", "    # About the property."]
    assert "    @log.setter" in cut["Net.log"]
    assert cut["Net.forward"][-1] == "# At the end."
    assert sum(map(len, cut.values())) == len(text.splitlines())


def test_a_forward_method_is_one_only_in_its_own_panel() -> None:
    text = "class Net:\n    def call(self): pass\n    def forward(self): pass\n"
    assert [p.role for p in pieces(text, "keras")] == ["Net", "Net.forward"]
    assert [p.role for p in pieces(text, "torch")] == ["Net", "Net.call", "Net.forward"]


@pytest.mark.parametrize("backend", ALL)
def test_numbered_classes_hide_their_names_from_the_roles_alone(backend: str) -> None:
    text = text_of("residual", backend)
    numbered = pieces(text, backend, number_classes=True)
    named = pieces(text, backend)
    assert [piece.role for piece in numbered if "BatchNorm" not in piece.role] == [
        "",
        "class 1",
        "class 1.forward",
        "class 1.get_config",
        "make_stage",
        "class 2",
        "class 2.forward",
        "class 2.get_config",
    ]
    assert [p.name for p in numbered] == [p.name for p in named] == [p.role for p in named]
    assert [p.lines for p in numbered] == [p.lines for p in named]


# Alignment


def column_of(roles: str) -> list[Piece]:
    return [Piece(role, role, [Text(role)], 0) for role in roles]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (("abc", "abc", "abc"), ["aaa", "bbb", "ccc"]),
        (("abc", "axbc", "axbcy"), ["aaa", "-xx", "bbb", "ccc", "--y"]),
        (("apb", "aqb", "ab"), ["aaa", "p--", "-q-", "bbb"]),
        (("ab", "", "cb"), ["a--", "--c", "b-b"]),
    ],
)
def test_pieces_of_one_role_share_a_row(orders: tuple[str, ...], expected: list[str]) -> None:
    rows = align(dict(zip(ALL, map(column_of, orders), strict=True)))
    shown = ["".join(row[name].role if name in row else "-" for name in ALL) for row in rows]
    assert shown == expected


@pytest.mark.parametrize("orders", [("abcd", "dcba", "bdac"), ("aab", "aba", "baa")])
def test_columns_keep_their_order_where_the_orders_differ(orders: tuple[str, ...]) -> None:
    rows = align(dict(zip(ALL, map(column_of, orders), strict=True)))
    for name, roles in zip(ALL, orders, strict=True):
        assert "".join(row[name].role for row in rows if name in row) == roles
    assert all(len({piece.role for piece in row.values()}) == 1 for row in rows)


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("count", [2, 3])
def test_what_architectures_have_in_common_shares_a_row(backend: str, count: int) -> None:
    cut = {file: pieces(text_of(file, backend), backend, number_classes=True) for file in FILES}
    for files in permutations(FILES, count):
        common = set.intersection(*({piece.role for piece in cut[file]} for file in files))
        assert common >= {"", "class 1", "class 1.forward", "class 1.get_config"}
        rows = align({file: cut[file] for file in files})
        met = {row[files[0]].role for row in rows if len(row) == count}
        assert met == common, files


# Folding


def folded(line: str, width: int) -> list[str]:
    return [row.plain for row in fold(Text(line), width)]


@pytest.mark.parametrize(
    ("line", "width", "rows"),
    [
        ("x = f(a, b)", 11, ["x = f(a, b)"]),
        ("", 10, [""]),
        (
            "    x = f(aaaa, bbbb)  # (B, C), as it was",
            28,
            ["    x = f(aaaa, bbbb)", "            # (B, C), as it", "              was"],
        ),
        (
            "  # A comment, that is too long for it",
            24,
            ["  # A comment, that is", "    too long for it"],
        ),
        (
            "def __init__(self, size: int = 10) -> None:",
            34,
            ["def __init__(self,", "        size: int = 10) -> None:"],
        ),
        (
            '@register(package="triptych")',
            20,
            ["@register(", '        package="tri', '        ptych")'],
        ),
    ],
)
def test_long_lines_are_folded_with_a_hanging_indent(
    line: str, width: int, rows: list[str]
) -> None:
    assert folded(line, width) == rows


@pytest.mark.parametrize("width", [1, 2, 7, 20, 33, 58])
def test_folding_loses_nothing_at_any_width(width: int) -> None:
    for backend in ALL:
        for line in text_of("residual", backend).splitlines():
            rows = folded(line, width)
            assert solid(rows) == solid(line)
            indent = len(line) - len(line.lstrip())
            assert max(map(len, rows)) <= max(width, indent + 2, 5)  # narrower makes no sense


def test_docstrings_are_folded_as_prose_and_strings_in_code_as_code() -> None:
    text = '''class Net:
    """A first line, which goes on for longer than there is room.

    Later lines, too, go on for longer than there is room.
    """

    text = call("a long text, which goes on for longer than there is room")
'''
    (piece,) = pieces(text, "torch")
    rows = [row.plain for line in piece.lines for row in fold(line, 40)]
    assert rows == [
        "class Net:",
        '    """A first line, which goes on for',
        "      longer than there is room.",
        "",
        "    Later lines, too, go on for longer",
        "      than there is room.",
        '    """',
        "",
        '    text = call("a long text,',
        "            which goes on for longer",
        '            than there is room")',
    ]


# What is printed


@pytest.mark.parametrize("file", FILES)
def test_side_by_side_every_piece_begins_on_one_row(file: str) -> None:
    shown = columns(printed(file, ALL, 400), 400, ALL)
    cut = {name: pieces(text_of(file, name), name) for name in ALL}
    rows = {name: starts(shown[name], cut[name]) for name in ALL}
    shared = [role for role in rows["torch"] if all(role in rows[name] for name in ALL)]
    assert len(shared) >= 4
    for role in shared:
        assert len({rows[name][role] for name in ALL}) == 1, role
    for name in ALL:
        assert [line for line in shown[name] if line] == [
            line for line in text_of(file, name).splitlines() if line
        ]


def test_a_piece_that_one_panel_has_stands_alone() -> None:
    shown = columns(printed("mnist_cnn", ALL, 400), 400, ALL)
    for name, first, last in (
        (
            "keras",
            "    def compute_loss(self, *args: Any, **kwargs: Any) -> KerasTensor:",
            "finally",
        ),
        ("flax", "# Flax pools with stride 1 unless told otherwise.", "max_pool = "),
    ):
        begin = shown[name].index(first)
        end = next(i for i in range(begin, len(shown[name])) if last in shown[name][i])
        assert end > begin
        for other in ALL:
            assert other == name or not any(shown[other][begin : end + 1])


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("width", [3 * NARROWEST, 200, 251])
def test_columns_of_folded_lines_hold_everything_in_order(file: str, width: int) -> None:
    shown = columns(printed(file, ALL, width), width, ALL)
    for name in ALL:
        assert solid(shown[name]) == solid(text_of(file, name))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("width", [3 * NARROWEST - 1, 80, 50])
def test_narrow_consoles_get_the_pieces_one_under_another(file: str, width: int) -> None:
    output = printed(file, ALL, width)
    assert max(map(len, output.splitlines())) <= width
    sections = stacked(output)
    for name in ALL:
        lines = [line for panel, _, part in sections for line in part if panel == name]
        assert solid(lines) == solid(text_of(file, name))
        assert (name, f"{PANELS[name]}/{file}.py") in [section[:2] for section in sections]
    rows = align({name: pieces(text_of(file, name), name) for name in ALL})
    assert [section[0] for section in sections] == [name for row in rows for name in row]
    assert all(part[0] and not part[-1] for _, _, part in sections)


def test_the_panels_come_in_the_order_asked_for() -> None:
    output = printed("mlp", ["keras", "torch"], 2 * NARROWEST)
    assert output.startswith("keras: keras_impl/mlp.py")
    shown = columns(output, 2 * NARROWEST, ["keras", "torch"])
    assert solid(shown["torch"]) == solid(text_of("mlp", "torch"))
    labels = [section[0] for section in stacked(printed("mlp", ["keras", "torch"], 80))]
    assert labels[:2] == ["keras", "torch"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("width", [20, 80])
def test_one_panel_in_a_pipe_is_the_file_and_nothing_else(
    file: str, backend: str, width: int
) -> None:
    assert printed(file, [backend], width) == text_of(file, backend)
    assert printed(file, [backend, backend], width) == text_of(file, backend)


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("width", [20, 200])  # the first is narrower than the path
def test_one_panel_on_a_terminal_is_highlighted_under_its_path(backend: str, width: int) -> None:
    output = printed("residual", [backend], width, terminal=True)
    assert "\x1b[35mclass\x1b[0m" in output
    title, blank, *lines = Text.from_ansi(output).plain.splitlines()
    assert (title, blank) == (str(source(backend, "residual")), "")
    assert max(map(len, lines)) <= width
    assert solid(lines) == solid(text_of("residual", backend))
    if width == 200:
        assert lines == text_of("residual", backend).splitlines()


# Several architectures


PAIR = ["mlp", "branching"]
SEVERAL = [PAIR, ["branching", "mlp"], ["residual", "mlp"], ["mimo", "residual", "mnist_cnn"]]


@pytest.mark.parametrize("files", SEVERAL, ids="-".join)
@pytest.mark.parametrize("backend", ALL)
def test_files_of_one_panel_are_columns_whose_classes_begin_on_one_row(
    files: list[str], backend: str
) -> None:
    heads = titles(files, backend)
    shown = columns(printed(files, [backend], 400), 400, heads)
    rows = {}
    for file, head in zip(files, heads, strict=True):
        text = text_of(file, backend)
        rows[head] = starts(shown[head], pieces(text, backend, number_classes=True))
        assert [line for line in shown[head] if line] == [
            line for line in text.splitlines() if line
        ]
    common = set.intersection(*map(set, rows.values()))
    assert common >= {"", "class 1", "class 1.forward", "class 1.get_config"}
    for role in common:
        assert len({rows[head][role] for head in heads}) == 1, role


def test_what_one_file_has_alone_stands_beside_nothing() -> None:
    heads = titles(["mlp", "residual"], "torch")
    shown = columns(printed(["mlp", "residual"], ["torch"], 200), 200, heads)
    begin = next(i for i, line in enumerate(shown[heads[1]]) if line.startswith("def make_stage"))
    assert any(shown[heads[0]][:begin])
    assert not any(shown[heads[0]][begin:])


@pytest.mark.parametrize("files", SEVERAL, ids="-".join)
@pytest.mark.parametrize("width", [3 * NARROWEST, 200, 251])
def test_every_panel_of_several_files_holds_everything_in_order(
    files: list[str], width: int
) -> None:
    shown = panels(printed(files, ALL, width))
    assert list(shown) == ALL
    for name, output in shown.items():
        heads = titles(files, name)
        texts = columns(output, width, heads)
        for file, head in zip(files, heads, strict=True):
            assert solid(texts[head]) == solid(text_of(file, name))


@pytest.mark.parametrize("files", SEVERAL, ids="-".join)
@pytest.mark.parametrize("backends", [ALL, ["keras"], ["keras", "torch"]], ids="-".join)
@pytest.mark.parametrize("width", [2 * NARROWEST - 1, 80, 64])
def test_narrow_consoles_get_the_files_one_under_another(
    files: list[str], backends: list[str], width: int
) -> None:
    output = printed(files, backends, width)
    assert max(map(len, output.splitlines())) <= width
    shown = panels(output)
    assert list(shown) == backends
    for name in backends:
        sections = stacked(shown[name])
        heads = titles(files, name)
        cut = {
            head: pieces(text_of(file, name), name, number_classes=True)
            for file, head in zip(files, heads, strict=True)
        }
        expected = [(head, row[head].name) for row in align(cut) for head in row]
        assert [section[:2] for section in sections] == expected
        for file, head in zip(files, heads, strict=True):
            lines = [line for place, _, part in sections for line in part if place == head]
            assert solid(lines) == solid(text_of(file, name))


def test_files_stand_side_by_side_where_each_is_wide_enough() -> None:
    wide, narrow = (printed(PAIR, ["flax"], 2 * NARROWEST - less) for less in (0, 1))
    assert wide.startswith("flax_impl/mlp.py  ")
    assert narrow.startswith("-- flax_impl/mlp.py\n")
    assert printed([*PAIR, "mimo"], ["flax"], 2 * NARROWEST).startswith("-- flax_impl/mlp.py\n")


@pytest.mark.parametrize("width", [80, 200])
def test_panels_of_several_files_are_the_single_ones_with_a_line_between(width: int) -> None:
    each = [printed(PAIR, [name], width) for name in ALL]
    assert printed(PAIR, ALL, width) == "\n".join(each)


@pytest.mark.parametrize("backends", [ALL, ["flax"]], ids="-".join)
@pytest.mark.parametrize("width", [80, 200])
def test_a_file_that_is_named_twice_is_shown_once(backends: list[str], width: int) -> None:
    assert printed(["mlp", "mlp"], backends, width) == printed("mlp", backends, width)
    assert printed(["mlp", "mimo", "mlp"], backends, width) == printed(
        ["mlp", "mimo"], backends, width
    )


@pytest.mark.parametrize("width", [80, 200])
def test_several_files_on_a_terminal_are_the_same_in_colours(width: int) -> None:
    output = printed(PAIR, ALL, width, terminal=True)
    assert "\x1b[35mclass\x1b[0m \x1b[1mBranchingNet\x1b[0m" in output
    undrawn = Text.from_ansi(output).plain.replace("│", "").replace("─", "")
    assert solid(undrawn) == solid(printed(PAIR, ALL, width).replace("-- ", ""))


# Terminals, and what is none


@pytest.mark.parametrize("width", [80, 200])
def test_without_a_terminal_nothing_is_coloured_or_drawn(width: int) -> None:
    output = printed("residual", ALL, width)
    assert output.isascii()
    assert "\x1b" not in output
    assert not any(line != line.rstrip() for line in output.splitlines())


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_the_same_in_colours_and_with_lines(width: int) -> None:
    output = printed("residual", ALL, width, terminal=True)
    assert "\x1b[35m" in output
    plain = Text.from_ansi(output).plain
    assert "│" in plain or "──" in plain
    undrawn = plain.replace("│", "").replace("─", "")
    assert solid(undrawn) == solid(printed("residual", ALL, width).replace("-- ", ""))
    assert "\x1b[35mclass\x1b[0m \x1b[1mResidualBlock\x1b[0m" in output  # not dimmed by the lines


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_without_line_characters_is_spared_them(width: int) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show(["mlp"], ALL, Console(width=width, file=stream, force_terminal=True, _environ={}))
    stream.flush()
    assert b"BasicNet" in raw.getvalue()


@pytest.mark.parametrize("width", [80, 200])
def test_titles_have_the_colours_of_their_panels(width: int) -> None:
    colours = {"torch": 35, "flax": 32, "keras": 34}
    for output in (
        printed("mlp", ALL, width, terminal=True),
        printed(PAIR, ALL, width, terminal=True),
    ):
        for name, colour in colours.items():
            assert re.search(rf"\x1b\[1;{colour}m[^\x1b]*{PANELS[name]}/mlp\.py", output)
    output = printed("mlp", ["keras"], width, terminal=True)
    assert output.startswith(f"\x1b[1;{colours['keras']}m")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
@pytest.mark.parametrize("width", [80, 200])
def test_colours_are_left_out_where_they_are_not_wanted(
    width: int, variables: dict[str, str]
) -> None:
    stream = io.StringIO()
    environment = {"TERM": "xterm", **variables}
    console = Console(
        width=width, height=25, file=stream, force_terminal=True, _environ=environment
    )
    show(["mlp"], ALL, console)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", stream.getvalue())
    if "TERM" in variables:
        assert stream.getvalue() == printed("mlp", ALL, width)


def test_an_unknown_panel_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no backend 'kears'.*'keras'"):
        printed("mlp", ["torch", "kears"], 80)


@pytest.mark.parametrize("files", [["residual"], PAIR, ["mimo", "residual", "mnist_cnn"]])
@pytest.mark.parametrize("backends", [ALL, ["flax"]], ids="-".join)
def test_json_has_every_line_by_role_and_column(files: list[str], backends: list[str]) -> None:
    tables = json.loads(json.dumps(to_dict(files, backends)))["tables"]
    expected = (
        [[(file, name) for file in files] for name in backends]
        if len(files) > 1
        else [[(files[0], name) for name in backends]]
    )
    assert len(tables) == len(expected)
    for table, columns in zip(tables, expected, strict=True):
        keys = [file if len(files) > 1 else name for file, name in columns]
        assert list(table["columns"]) == keys
        for key, (file, name) in zip(keys, columns, strict=True):
            path = source(name, file)
            assert table["columns"][key] == {"backend": name, "path": str(path)}
            cut = [row["pieces"][key] for row in table["rows"] if key in row["pieces"]]
            lines = path.read_text("utf-8").splitlines()
            assert [line for piece in cut for line in piece["text"].split("\n")] == lines
            for piece in cut:
                assert (
                    piece["text"].split("\n") == lines[piece["first_line"] - 1 : piece["last_line"]]
                )
        shared = [row["role"] for row in table["rows"] if len(row["pieces"]) == len(keys)]
        first = "class 1" if len(files) > 1 else "ResidualBlock"
        assert {"", first, f"{first}.forward"} <= set(shared)


def test_no_framework_is_imported() -> None:
    code = (
        "import sys; from rich.console import Console; from shared.show.columns import show\n"
        "show(['mlp'], ['torch', 'flax', 'keras'], Console(width=200))\n"
        "print(sorted({'torch', 'jax', 'flax', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "BasicNet" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
