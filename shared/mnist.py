"""MNIST and Fashion-MNIST as NumPy arrays, with no framework imported.

Three data sets go by name. `sample` is 5,000 real MNIST digits that come with the package.
`mnist` and `fashion_mnist` are the full sets; they are looked for in the data directory and, where
they are not there, downloaded into it. Every file is checked against the SHA-256 sum of its
contents before one byte of it is used.

Sources: MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges (CC BY-SA 3.0);
Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf, arXiv:1708.07747 (MIT); for the sample
see `sample/README.md`. The IDX format: a big-endian header (two zero bytes, the type, 8 for bytes,
the number of dimensions, then each dimension as 32 bits), then the values in C order.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from shared.errors import ConfigurationError, DataError, DownloadError, InputError

if TYPE_CHECKING:
    from rich.progress import Progress

NAMES = ("sample", "mnist", "fashion_mnist")
MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels, as every MNIST example has them
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

# Tried in order. Plain http is safe here: nothing is kept whose sum is not the one above.
MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
}
TIMEOUT = (4, 15)  # seconds to connect, and between two pieces of an answer


@dataclass(frozen=True)
class Split:
    """One part of a data set: images uint8 (N, 28, 28, 1), labels int32 (N,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, and for people where it came from."""

    name: str
    train: Split
    test: Split
    source: str


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
    found: bool
    where: Path | None
    problem: str | None


def data_directory(directory: Directory = None) -> Path:
    """Return the directory given, else that of `TRIPTYCH_DATA`, else the user's cache directory."""
    chosen = (
        directory or os.environ.get(DIRECTORY_VARIABLE) or platformdirs.user_cache_dir("triptych")
    )
    return Path(chosen).expanduser()


def load(
    name: str,
    directory: Directory = None,
    *,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Read a data set, after a download where it is not yet in the data directory.

    Args:
        name: One of `NAMES`.
        directory: The data directory; see `data_directory`. The sample needs none.
        download: Whether files that are missing may be downloaded.
        progress: Whether a download shows its progress on stderr.

    Returns:
        Images uint8 (N, 28, 28, 1) and labels int32 (N,), for `train` and for `test`.

    Raises:
        ConfigurationError: There is no data set of that name.
        DataError: A file is missing, damaged, or cannot be stored.
        DownloadError: The kind of DataError where a file is missing and no mirror gave it.
    """
    whole = _gather(name, directory)
    missing = [file for file in FILES if file not in whole]
    if missing and not download:
        raise DataError(
            f"{name} is not in {data_directory(directory)}: {missing[0]} is missing; let it be "
            f"downloaded, name its directory in {DIRECTORY_VARIABLE}, or use the data set 'sample'"
        )
    if missing:
        _download(name, missing, directory, progress)
        whole = _gather(name, directory)

    def split(images: str, labels: str) -> Split:
        # Copies, as arrays on bytes are read-only, which PyTorch warns of.
        return Split(
            np.frombuffer(whole[images][1], np.uint8, offset=16).reshape(-1, 28, 28, 1).copy(),
            np.frombuffer(whole[labels][1], np.uint8, offset=8).astype(np.int32),
        )

    source = "the embedded sample" if name == "sample" else str(whole[TRAIN_IMAGES][0].parent)
    return Dataset(name, split(TRAIN_IMAGES, TRAIN_LABELS), split(TEST_IMAGES, TEST_LABELS), source)


def normalise(images: np.ndarray) -> np.ndarray:
    """Scale pixels to [0, 1], subtract `MEAN` and divide by `STD`.

    Bit for bit what torchvision's `ToTensor` and `Normalize((0.1307,), (0.3081,))` give: each of
    the three steps is rounded to float32. A pixel has 256 values, so a table holds every result.

    Args:
        images: uint8, of any shape; (N, 28, 28, 1) here.

    Returns:
        float32, of the same shape.

    Raises:
        InputError: The images are not uint8.
    """
    if images.dtype != np.uint8:
        raise InputError(f"images to normalise are {images.dtype}; they must be uint8, 0 to 255")
    pixels = np.arange(256, dtype=np.float32)
    return ((pixels / np.float32(255) - np.float32(MEAN)) / np.float32(STD))[images]


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return a permutation of `range(count)`, int64, that depends on the three arguments alone.

    Raises:
        ConfigurationError: An argument is negative.
    """
    if min(count, seed, epoch) < 0:
        raise ConfigurationError(
            f"count {count}, seed {seed} and epoch {epoch} must each be 0 or more"
        )
    return np.random.default_rng((seed, epoch)).permutation(count)


def batches(
    arrays: Mapping[str, np.ndarray],
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    drop_last: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
    """Cut arrays of one length into batches, rows together.

    Args:
        arrays: Arrays by name, each (N, ...).
        batch_size: Rows in a batch; the last batch may have fewer.
        seed: With a seed the rows come in `epoch_order`; without, in order (as views).
        epoch: Which epoch's order.
        drop_last: Whether a last batch of fewer rows is left out.

    Returns:
        An iterator over dictionaries with the same names, each array (batch_size, ...).

    Raises:
        ConfigurationError: `batch_size` is below 1, or the seed or the epoch is negative.
        DataError: There are no arrays, or their lengths differ.
    """
    if batch_size < 1:
        raise ConfigurationError(f"batch size {batch_size} must be 1 or more")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"arrays to batch have lengths {lengths}; they must be of one length")
    count = next(iter(lengths.values()))
    order = None if seed is None else epoch_order(count, seed, epoch)
    stop = count - count % batch_size if drop_last else count

    # An inner generator, so that the checks above speak at the call and not at the first batch.
    def cut() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, stop, batch_size):
            rows = slice(start, start + batch_size)
            chosen = rows if order is None else order[rows]
            yield {name: array[chosen] for name, array in arrays.items()}

    return cut()


def status(directory: Directory = None) -> list[Status]:
    """Say of each data set whether it is here; reads and checks files, downloads nothing."""
    report = []
    for name in NAMES:
        checks = [_best(name, file, directory)[0] for file in FILES]
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
        checks += present or [_best(name, file, directory)[0]]
    return checks


def download(name: str, directory: Directory = None, progress: bool = True) -> Path:
    """Download what the data directory does not yet hold whole, in torchvision's layout.

    Returns:
        The folder of the files; for the sample, its own, with nothing to download.

    Raises:
        ConfigurationError: There is no data set of that name.
        DataError: The directory cannot be written.
        DownloadError: No mirror gave the right contents.
    """
    best = {file: _best(name, file, directory)[0] for file in FILES}
    missing = [file for file, check in best.items() if not check.ok]
    if missing:
        return _download(name, missing, directory, progress)
    return best[TRAIN_IMAGES].path.parent


def _candidates(name: str, file: str, directory: Directory) -> Iterator[tuple[Path, bool]]:
    """Every path where a file may be, that of a download first; and whether the path is flat."""
    if name not in NAMES:
        raise ConfigurationError(f"there is no data set {name!r}; there are {', '.join(NAMES)}")
    if name == "sample":
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
            contents = _unpack(path.read_bytes(), zipped=path.suffix == ".gz")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            yield FileCheck(path, f"cannot be read: {error.strerror}"), b""
        except ValueError as error:
            yield FileCheck(path, str(error)), b""
        else:
            problem, owner = _judge(name, file, contents)
            # MNIST and Fashion-MNIST share their file names: a flat file that is the other's is
            # not damage, it is just not this data set.
            if not flat or owner in (name, None):
                yield FileCheck(path, problem), contents


def _unpack(blob: bytes, *, zipped: bool) -> bytes:
    """Undo gzip, told by `zipped` or the first two bytes; raise ValueError with what is wrong."""
    if not zipped and blob[:2] != b"\x1f\x8b":
        return blob
    try:
        return gzip.decompress(blob)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is not a whole gzip file ({error})") from error


def _judge(name: str, file: str, contents: bytes) -> tuple[str | None, str | None]:
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
    if (given := struct.unpack(f">{len(shape)}I", contents[4:start])) != shape:
        return f"has the dimensions {given}, where {name} has {shape}", None
    if len(contents) != start + size:
        return f"holds {len(contents) - start} bytes of values, where {size} are right", None
    return f"is damaged: its contents' SHA-256 is {digest}, not {SUMS[name][file]}", None


def _best(name: str, file: str, directory: Directory) -> tuple[FileCheck, bytes]:
    """The first whole file with its contents, else the first damaged one, else a missing one."""
    damaged = None
    for check, contents in _examine(name, file, directory):
        if check.ok:
            return check, contents
        damaged = damaged or check
    path, _ = next(_candidates(name, file, directory))
    return damaged or FileCheck(path, MISSING), b""


def _gather(name: str, directory: Directory) -> dict[str, tuple[Path, bytes]]:
    """The files of a data set that are here, with their contents; raise for a damaged one."""
    whole = {}
    for file in FILES:
        check, contents = _best(name, file, directory)
        if check.ok:
            whole[file] = check.path, contents
        elif name == "sample":
            raise DataError(f"{check.path} {check.problem}; install triptych again")
        elif check.problem != MISSING:
            raise DataError(f"{check.path} {check.problem}; remove it or download {name} again")
    return whole


def _download(name: str, files: list[str], directory: Directory, progress: bool) -> Path:
    """Download files into torchvision's folder and return it."""
    if name == "sample":
        raise DataError(f"the sample in {SAMPLE_FOLDER} is damaged; install triptych again")
    from rich.console import Console  # here and below: slow to import, and seldom needed
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    folder = data_directory(directory) / FOLDERS[name]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bars:
        for file in files:
            _store(name, file, folder, _Bar(bars, f"{name}: {file}"))
    return folder


def _store(name: str, file: str, folder: Path, bar: _Bar) -> None:
    """Download one file under a temporary name, and give it its own when it is whole."""
    # Stored unpacked, as torchvision reads no other. The process's number keeps two downloads at
    # once apart; the temporary file comes first, so that a directory that cannot be written to is
    # found before the transfer.
    part = folder / f"{file}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(_transfer(name, file, bar))
        part.replace(folder / file)
    except OSError as error:
        raise DataError(
            f"cannot write {file} into {folder}: {error.strerror}; name a directory that can be "
            f"written in {DIRECTORY_VARIABLE}"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _transfer(name: str, file: str, bar: _Bar) -> bytes:
    """Return a file's checked contents from the first mirror that has them."""
    import pooch
    import requests

    get = pooch.HTTPDownloader(
        progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT, hooks={"response": _refuse}
    )
    failures = []
    for mirror in MIRRORS[name]:
        url, blob = f"{mirror}{file}.gz", io.BytesIO()
        bar.reset()
        try:
            get(url, blob, None)
            contents = _unpack(blob.getvalue(), zipped=False)
            problem, _ = _judge(name, file, contents)
        except requests.Timeout:
            problem = "did not answer in time"
        except requests.RequestException:
            problem = "could not be reached or broke off"
        except ValueError as error:
            problem = str(error)
        if problem is None:
            return contents
        failures.append(f"{url} {problem}")
    raise DownloadError(f"cannot download {name}: {'; '.join(failures)}")


def _refuse(response: Any, **_: Any) -> None:
    """End an exchange that was refused; pooch would leave its connection open."""
    if not response.ok:
        response.close()
        raise ValueError(f"answered with status {response.status_code}")


class _Bar:
    """What pooch asks of a progress bar, as a task of rich's."""

    total = 0

    def __init__(self, bars: Progress, label: str) -> None:
        self.bars, self.task = bars, bars.add_task(label, total=None)

    def update(self, count: int) -> None:
        self.bars.update(self.task, advance=count, total=self.total or None)

    def reset(self) -> None:
        self.bars.reset(self.task)

    def close(self) -> None:
        """Nothing to do: `_download` closes all bars at once."""
