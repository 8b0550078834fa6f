"""Completion with the Tab key: what shells are told, and the code that makes them ask."""

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from argcomplete import CompletionFinder

from shared import specs
from shared.cli import completing, parser
from shared.cli.arguments import options_of
from shared.data import files
from shared.interface import DEVICES, DTYPES, VARIANTS
from shared.panels import PANELS
from tests.printed import as_json, refused
from tests.sources import ROOT, fresh
from tests.unit.cli.conftest import Triptych

SHELLS = ("bash", "zsh", "fish")
FREE = ("batch_sizes", "shard")
CALL = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from shared.cli import main; main()"


def completed(line: str) -> set[str]:
    """What may stand in place of the last word of a line that begins after the program's name."""
    finder = CompletionFinder(
        parser.make_parser(), append_space=False, always_complete_options=False
    )
    last = line.rpartition(" ")[2]
    whole: list[str] = []
    while (text := finder.rl_complete(line, len(whole))) is not None:
        whole.append(text)
    return {text[len(line) - len(last) :] for text in whole}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("", {*parser.VERBS}),
        ("pa", {"parity"}),
        ("completion ", {*SHELLS}),
        ("show ", {*specs.SPECS}),
        ("show simp", {"simple_resnet"}),
        ("show Simp", {"SimpleResNet"}),
        ("show simple_resnet r", {"row_gru", "residual", "recurrent"}),
        ("train --backend ", {*PANELS}),
        ("train --ba", {"--backend", "--batch-size"}),
        ("compare --backends torch,", {"torch,flax", "torch,keras"}),
        ("compare --backends torch,f", {"torch,flax"}),
        ("compare --device ", {*DEVICES}),
        ("compare --variant ", {*VARIANTS}),
        ("compare --dtype ", {*DTYPES}),
        ("compare --optimizer ", {*specs.OPTIMIZERS}),
        ("compare --data ", {*files.NAMES}),
        ("compare --preset ", {"fast"}),
        ("compare --epochs ", set()),
        ("bench --variants tuned,", {"tuned,idiomatic", "tuned,reference"}),
        ("parity --precision ", {"highest", "default"}),
        ("data ", {"status", "verify", "download"}),
        ("data verify ", {*files.NAMES}),
        ("predict digits.safetensors ", {"a.png", "folder/"}),
        ("predict ", {"b.safetensors", "folder/"}),
        ("predict b.safetensors folder/", {"folder/c.JPG", "folder/d.png"}),
        ("predict b.safetensors folder/d", {"folder/d.png"}),
        ("predict b.safetensors a.png --output-dir ", {"folder/"}),
        ("parity b", {"basic_net", "branching_net", "branching", "b.safetensors"}),
        ("parity r", {"row_gru", "residual", "recurrent", "r.json"}),
        ("parity --shard ", set()),
        ("compare unet --json ", {"folder/", "r.json"}),
        ("report --from ", {"b.safetensors", "folder/", "r.json"}),
        ("train unet --data-dir nowhere/", set()),
        ("train --wa", set()),  # an old name, which is not shown
    ],
)
def test_words_are_completed(
    line: str, names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("a.png", "b.safetensors", "r.json", ".hidden.png", "folder/c.JPG", "folder/d.png"):
        (tmp_path / name).touch()
    assert completed(line) == names


def test_files_in_the_home_folder_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.safetensors").touch()
    assert completed("predict ~/") == {"~/w.safetensors"}


@pytest.mark.parametrize("verb", parser.VERBS)
def test_every_option_with_a_name_for_a_value_is_completed(verb: str) -> None:
    """An option whose value is neither a number nor free has names that a shell is told."""
    for options in options_of(parser.VERBS[verb]).values():
        for each in fields(options):
            settings = each.metadata["settings"]
            if "action" not in settings and settings.get("type") not in (int, float):
                known = each.metadata["completer"]
                assert known not in (None, completing.nothing) or each.name in FREE


def asked(tmp_path: Path, line: str) -> list[str]:
    """What a shell is answered, by the protocol of its variables."""
    answer = tmp_path / "answer"
    answer.touch()
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        [sys.executable, "-c", CALL], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")
    return answer.read_text().split()


def test_the_command_answers_a_shell(tmp_path: Path) -> None:
    assert asked(tmp_path, "triptych pa") == ["parity"]
    assert asked(tmp_path, "triptych show simp") == ["simple_resnet"]
    assert asked(tmp_path, "triptych train --epocs 3 --backend to") == ["torch"]
    assert "keras" in asked(tmp_path, "triptych train --backend=k")[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_code_of_a_shell_asks_the_command(shell: str, triptych: Triptych) -> None:
    status, out, err = triptych("completion", shell)
    assert (status, err) == (0, "")
    assert out.count("triptych") > 1
    assert ("compdef" in out) is (shell != "fish")
    assert ("complete --command triptych" in out) is (shell == "fish")


def test_the_code_as_json(capsys: pytest.CaptureFixture[str], triptych: Triptych) -> None:
    value = as_json(capsys, "completion", "fish")
    assert value["shell"] == "fish"
    assert value["code"] + "\n" == triptych("completion", "fish")[1]


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no shell 'tcsh'; there are bash, zsh, fish" in refused(
        capsys, "completion", "tcsh"
    )
    assert "completion needs SHELL (bash, zsh or fish)" in refused(capsys, "completion")


def test_the_help_says_which_line_each_shell_needs(triptych: Triptych) -> None:
    lines = [line.strip() for line in triptych("completion", "--help")[1].splitlines()]
    assert 'eval "$(triptych completion bash)"' in lines
    assert 'eval "$(triptych completion zsh)"' in lines
    assert "triptych completion fish | source" in lines


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("line", "replies"), [("triptych pa", ["parity"]), ("triptych show simp", ["simple_resnet"])]
)
def test_bash_completes(line: str, replies: list[str], tmp_path: Path) -> None:
    program = tmp_path / "triptych"
    program.write_text(f"#!{sys.executable}\n{CALL}\n")
    program.chmod(0o755)
    script = (
        'eval "$(triptych completion bash)" || exit\n'
        f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9\n"
        "_python_argcomplete triptych\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
        "complete -p triptych\n"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    *words, registered = done.stdout.splitlines()
    assert [word.strip() for word in words] == replies
    assert registered == "complete -o bashdefault -o nospace -F _python_argcomplete triptych"
    assert done.stderr == ""


def test_nothing_of_it_is_loaded_where_no_shell_asks() -> None:
    lines = fresh(
        "import sys\n"
        "from shared.cli import main\n"
        "try:\n"
        "    main(['list'])\n"
        "except SystemExit:\n"
        "    print(*sys.modules)"
    ).splitlines()
    assert not {"argcomplete", "rich", "numpy"} & {*lines[-1].split()}
