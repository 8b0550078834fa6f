"""Where the files of a data set are found, in every layout, and what is told of damaged ones."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.data import download, files, mnist
from tests.idx_files import FULL_NAMES, put
from tests.unit.data.conftest import Contents, assert_holds, sentence

# Where they are found


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dot", [False, True], ids=["dash", "dot"])
@pytest.mark.parametrize("flat", [False, True], ids=["torchvision", "flat"])
@pytest.mark.parametrize("name", FULL_NAMES)
def test_every_layout_is_read(
    name: str, flat: bool, dot: bool, zipped: bool, tiny: Contents, tmp_path: Path
) -> None:
    torchvision = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}
    folder = tmp_path if flat else tmp_path / torchvision[name]
    put(folder, tiny[name], zipped=zipped, dot=dot)
    data = mnist.load(name, tmp_path, download=False)
    assert data.source == str(folder)
    assert_holds(data, tiny[name])
    checks = files.verify(name, tmp_path)
    assert len(checks) == 4
    assert all(check.ok and check.path.parent == folder for check in checks)
    states = {s.name: (s.present, s.where, s.problem) for s in files.status(tmp_path)}
    other = next(n for n in FULL_NAMES if n != name)
    assert states[name] == (True, folder, None)
    assert states[other] == (False, None, None)
    assert states["sample"] == (True, files.SAMPLE_FOLDER, None)


def test_the_directory_is_the_argument_else_the_variable_else_the_cache(
    tiny: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "triptych", tiny["mnist"])
    assert mnist.load("mnist", download=False).source == str(tmp_path / "triptych")
    put(tmp_path / "variable", tiny["mnist"])
    monkeypatch.setenv("TRIPTYCH_DATA", str(tmp_path / "variable"))
    assert mnist.load("mnist", download=False).source == str(tmp_path / "variable")
    put(tmp_path / "argument", tiny["mnist"])
    argument = str(tmp_path / "argument")
    assert mnist.load("mnist", argument, download=False).source == argument


def test_a_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert files.data_directory("~/data") == tmp_path / "data"


def test_a_flat_file_of_the_other_data_set_is_passed_over(tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["fashion_mnist"])
    text = sentence(lambda: mnist.load("mnist", tmp_path, download=False))
    assert f"mnist is not in {tmp_path}: train-images-idx3-ubyte is missing" in text
    assert [s.present for s in files.status(tmp_path)] == [True, False, True]
    assert [s.problem for s in files.status(tmp_path)] == [None, None, None]
    assert {check.problem for check in files.verify("mnist", tmp_path)} == {"is missing"}
    # And the two may lie side by side.
    put(tmp_path, tiny["mnist"], zipped=True)
    for name in FULL_NAMES:
        assert_holds(mnist.load(name, tmp_path, download=False), tiny[name])


def test_a_whole_file_is_preferred_to_a_damaged_one_which_verify_still_names(
    tiny: Contents, tmp_path: Path
) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    bad = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    put(bad.parent, {bad.name: b"damaged"})
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])
    checks = files.verify("mnist", tmp_path)
    assert len(checks) == 5
    assert [check.path for check in checks if not check.ok] == [bad]


def test_a_folder_with_the_name_of_a_file_is_passed_over(tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["mnist"], dot=True)
    (tmp_path / files.TRAIN_IMAGES).mkdir()
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])
    assert [check.ok for check in files.verify("mnist", tmp_path)] == [True] * 4


# Files that are missing or damaged


def test_a_missing_data_set_and_a_missing_file_are_named(tiny: Contents, tmp_path: Path) -> None:
    text = sentence(lambda: mnist.load("mnist", tmp_path / "none", download=False))
    assert text.startswith(f"mnist is not in {tmp_path / 'none'}")
    assert "TRIPTYCH_DATA" in text
    assert "'sample'" in text
    put(tmp_path, tiny["mnist"])
    (tmp_path / files.TEST_LABELS).unlink()
    text = sentence(lambda: mnist.load("mnist", tmp_path, download=False))
    assert "t10k-labels-idx1-ubyte is missing" in text
    record = files.status(tmp_path)[1]
    assert (record.present, record.where) == (False, tmp_path)
    assert record.problem is not None
    assert record.problem.endswith("t10k-labels-idx1-ubyte is missing")
    assert [check.ok for check in files.verify("mnist", tmp_path)] == [True, True, True, False]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b[:0], "begins with nothing, where the IDX magic number 00000803 is right"),
    "magic": (lambda b: b"\0\0\x08\x01" + b[4:], "begins with 00000801, where the IDX magic"),
    "header": (lambda b: b[:11], "ends after 11 bytes, within its header of 16"),
    "dimensions": (
        lambda b: b[:8] + struct.pack(">I", 27) + b[12:],
        r"has the dimensions (30, 27, 28), where mnist has (30, 28, 28)",
    ),
    "truncated": (lambda b: b[:-5], "holds 23515 bytes of values, where 23520 are right"),
    "too long": (lambda b: b + b"\0", "holds 23521 bytes of values, where 23520 are right"),
    "one bit": (lambda b: b[:-1] + bytes([b[-1] ^ 1]), "is damaged: its contents' SHA-256 is "),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_contents_are_told(case: str, zipped: bool, tiny: Contents, tmp_path: Path) -> None:
    damage, expected = DAMAGE[case]
    put(tmp_path, tiny["mnist"], zipped=zipped)
    broken = damage(tiny["mnist"][files.TRAIN_IMAGES])
    put(tmp_path, {files.TRAIN_IMAGES: broken}, zipped=zipped)
    assert_told(tmp_path, tmp_path / (files.TRAIN_IMAGES + (".gz" if zipped else "")), expected)


GZIP_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda b: b[: len(b) // 2],  # EOFError
    "not gzip": lambda b: b"<html>" + b,  # BadGzipFile
    "checksum": lambda b: b[:-8] + bytes(4) + b[-4:],  # BadGzipFile
    "stream": lambda b: b[:10] + b"\xff" * 30 + b[40:],  # zlib.error
}


@pytest.mark.parametrize("case", GZIP_DAMAGE)
def test_damaged_gzip_files_are_told(case: str, tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    path = tmp_path / f"{files.TRAIN_IMAGES}.gz"
    path.write_bytes(GZIP_DAMAGE[case](path.read_bytes()))
    assert_told(tmp_path, path, "is not a whole gzip file (")


def test_a_file_that_cannot_be_read_is_told(
    tiny: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, tiny["mnist"])
    path, read = tmp_path / files.TRAIN_IMAGES, Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_told(tmp_path, path, "cannot be read: Permission denied")


def test_the_other_data_sets_file_in_torchvisions_folder_is_told(
    tiny: Contents, tmp_path: Path
) -> None:
    folder = tmp_path / "MNIST" / "raw"
    put(folder, tiny["fashion_mnist"])
    assert_told(tmp_path, folder / files.TRAIN_IMAGES, "is fashion_mnist's file, not mnist's")


def assert_told(directory: Path, path: Path, expected: str) -> None:
    """Load, status and verify all name the file and say what is wrong, and nothing is mended."""
    text = sentence(lambda: mnist.load("mnist", directory))
    assert text.startswith(f"{path} {expected}")
    assert text.endswith("; remove it or download mnist again")
    bad = [check for check in files.verify("mnist", directory) if not check.ok]
    assert bad[0].path == path
    assert bad[0].problem is not None
    assert bad[0].problem.startswith(expected)
    record = files.status(directory)[1]
    assert (record.present, record.where) == (False, path.parent)
    assert record.problem == f"{path} {bad[0].problem}"


def test_a_damaged_sample_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SAMPLE_FOLDER", tmp_path)
    text = sentence(lambda: mnist.load("sample"))
    assert "train-images-idx3-ubyte.gz is missing; install triptych again" in text
    assert "install triptych again" in sentence(lambda: download.download("sample"))
