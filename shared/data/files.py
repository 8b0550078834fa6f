"""The files of MNIST and Fashion-MNIST: where they may be, and whether they are whole.

Every file is checked against the SHA-256 sum of its contents before one byte of it is used. The IDX
format: a big-endian header (two zero bytes, the type, 8 for bytes, the number of dimensions, then
each dimension as 32 bits), then the values in C order.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from shared.choosing import choose

NAMES = ("sample", "mnist", "fashion_mnist")
DIRECTORY_VARIABLE = "TRIPTYCH_DATA"
MISSING = "is missing"
Directory = str | os.PathLike[str] | None

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

# Of the uncompressed contents, so that a file is known however it was compressed. Fashion-MNIST's
# authors publish only MD5 sums of the gzip files; these SHA-256 sums of the contents are given
# alike by at least three independent public projects each.
SUMS = {
    "sample": {
        TRAIN_IMAGES: "01c279c669c4632ea8b97298fee28d0f4c5fe2bf2039e7f822f3feaac779d017",
        TRAIN_LABELS: "daf1c61ba276c5ec7656a0a9c541c2f61cb96d7af3a019906cdb4cf08ef09728",
        TEST_IMAGES: "48e7795fc2f307cac39d091315c695780f904df73fef72545ee5b40d8e7948c3",
        TEST_LABELS: "9f9f83403fa89036e5960042fa3fdded854d1e4a5602fe4b476f8ff0e7865ff8",
    },
    "mnist": {
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
COUNTS = {"sample": (4_000, 1_000), "mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000)}

# Torchvision's layout: what is downloaded here, torchvision finds too, and the other way round.
FOLDERS = {"mnist": Path("MNIST", "raw"), "fashion_mnist": Path("FashionMNIST", "raw")}
SAMPLE_FOLDER = Path(__file__).with_name("sample")


@dataclass(frozen=True)
class FileCheck:
    """What the checks of one file gave; `problem` reads on from the path ("is missing")."""

    path: Path
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is whole."""
        return self.problem is None


@dataclass(frozen=True)
class Status:
    """Whether a data set is here, whole, without a download; where; and if not, what is amiss."""

    name: str
    present: bool
    where: Path | None
    problem: str | None


def data_directory(directory: Directory = None) -> Path:
    """Return the directory given, else that of `TRIPTYCH_DATA`, else the user's cache directory."""
    chosen = (
        directory or os.environ.get(DIRECTORY_VARIABLE) or platformdirs.user_cache_dir("triptych")
    )
    return Path(chosen).expanduser()


def status(directory: Directory = None) -> list[Status]:
    """Say of each data set whether it is here; reads and checks files, downloads nothing."""
    report = []
    for name in NAMES:
        checks = [best(name, file, directory)[0] for file in FILES]
        here = [check.path.parent for check in checks if check.problem != MISSING]
        wrong = [f"{check.path} {check.problem}" for check in checks if not check.ok]
        # Where nothing of a data set is here, nothing is wrong with it.
        problem = wrong[0] if wrong and here else None
        report.append(Status(name, not wrong, here[0] if here else None, problem))
    return report


def verify(name: str, directory: Directory = None) -> list[FileCheck]:
    """Check every file that may be one of the data set's, and name those that are missing.

    Raises:
        ConfigurationError: There is no data set of that name.
    """
    checks = []
    for file in FILES:
        present = [check for check, _ in _examine(name, file, directory)]
        checks += present or [best(name, file, directory)[0]]
    return checks


def _candidates(name: str, file: str, directory: Directory) -> Iterator[tuple[Path, bool]]:
    """Every path where a file may be, that of a download first; and whether the path is flat."""
    if choose("data set", name, NAMES) == "sample":
        yield SAMPLE_FOLDER / f"{file}.gz", False
        return
    root = data_directory(directory)
    for folder in (root / FOLDERS[name], root):
        for spelling in (file, file.replace("-idx", ".idx")):
            for suffix in ("", ".gz"):
                yield folder / (spelling + suffix), folder == root


def _examine(name: str, file: str, directory: Directory) -> Iterator[tuple[FileCheck, bytes]]:
    """Check each file that is there, one at a time, and give its contents."""
    for path, flat in _candidates(name, file, directory):
        try:
            contents = unpack(path.read_bytes(), zipped=path.suffix == ".gz")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            yield FileCheck(path, f"cannot be read: {error.strerror}"), b""
        except ValueError as error:
            yield FileCheck(path, str(error)), b""
        else:
            problem, owner = judge(name, file, contents)
            # MNIST and Fashion-MNIST share their file names: a flat file that is the other's is
            # not damage, it is just not this data set.
            if not flat or owner in (name, None):
                yield FileCheck(path, problem), contents


def unpack(blob: bytes, *, zipped: bool) -> bytes:
    """Undo gzip, told by `zipped` or the first two bytes; raise ValueError with what is wrong."""
    if not zipped and blob[:2] != b"\x1f\x8b":
        return blob
    try:
        return gzip.decompress(blob)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is not a whole gzip file ({error})") from error


def judge(name: str, file: str, contents: bytes) -> tuple[str | None, str | None]:
    """What is wrong with a file's contents (None: nothing), and whose they are (None: nobody's).

    The sum alone decides; the rest is there to say why it differs, the plainest reason first.
    """
    digest = hashlib.sha256(contents).hexdigest()
    owner = next((owner for owner in NAMES if SUMS[owner][file] == digest), None)
    if owner:
        return None if owner == name else f"is {owner}'s file, not {name}'s", owner
    count = COUNTS[name][file.startswith("t10k")]
    shape = (count, 28, 28) if "images" in file else (count,)
    magic, start, size = 0x800 + len(shape), 4 + 4 * len(shape), math.prod(shape)
    if contents[:4] != magic.to_bytes(4, "big"):
        first = contents[:4].hex() or "nothing"
        return f"begins with {first}, where the IDX magic number {magic:08x} is right", None
    if len(contents) < start:
        return f"ends after {len(contents)} bytes, within its header of {start}", None
    if (dimensions := struct.unpack(f">{len(shape)}I", contents[4:start])) != shape:
        return f"has the dimensions {dimensions}, where {name} has {shape}", None
    if len(contents) != start + size:
        return f"holds {len(contents) - start} bytes of values, where {size} are right", None
    return f"is damaged: its contents' SHA-256 is {digest}, not {SUMS[name][file]}", None


def best(name: str, file: str, directory: Directory) -> tuple[FileCheck, bytes]:
    """The first whole file with its contents, else the first damaged one, else a missing one."""
    damaged = None
    for check, contents in _examine(name, file, directory):
        if check.ok:
            return check, contents
        damaged = damaged or check
    path, _ = next(_candidates(name, file, directory))
    return damaged or FileCheck(path, MISSING), b""
