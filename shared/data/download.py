"""Downloads: from the first mirror that has a file whole, into the folders that torchvision has."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.data.files import (
    DIRECTORY_VARIABLE,
    FILES,
    FOLDERS,
    SAMPLE_FOLDER,
    TRAIN_IMAGES,
    Directory,
    best,
    data_directory,
    judge,
    unpack,
)
from shared.errors import DataError, DownloadError

if TYPE_CHECKING:
    from rich.progress import Progress

# Tried in order. Plain http is safe here: nothing is kept whose sum is not the one in `files.SUMS`.
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


def download(name: str, directory: Directory = None, progress: bool = True) -> Path:
    """Download what the data directory does not yet hold whole, in torchvision's layout.

    Returns:
        The folder of the files; for the sample, its own, with nothing to download.

    Raises:
        ConfigurationError: There is no data set of that name.
        DataError: The directory cannot be written.
        DownloadError: No mirror gave the right contents.
    """
    checks = {file: best(name, file, directory)[0] for file in FILES}
    missing = [file for file, check in checks.items() if not check.ok]
    if missing:
        return fetch(name, missing, directory, progress)
    return checks[TRAIN_IMAGES].path.parent


def fetch(name: str, files: list[str], directory: Directory, progress: bool) -> Path:
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


def _transfer(name: str, file: str, bar: Any) -> bytes:
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
            contents = unpack(blob.getvalue(), zipped=False)
            problem, _ = judge(name, file, contents)
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
        """Nothing to do: `fetch` closes all bars at once."""
