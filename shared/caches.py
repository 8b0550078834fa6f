"""What was compiled is kept for the next run, in the user's cache folder.

XLA, which JAX compiles with, takes seconds for a train step, and a tenth of that to read what it
compiled before. PyTorch and TensorFlow compile nothing here that could be kept.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import platformdirs

from shared import machine

VARIABLE = "TRIPTYCH_COMPILATION_CACHE"
"""The environment variable that names another folder; "off" keeps nothing."""


def directory() -> Path | None:
    """Where this machine's compiled steps are; None if they are not to be kept.

    Machine code of one processor may stop on another, and a home may be shared by several: each
    kind of processor has a folder of its own.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "off":
        return None
    users = Path(platformdirs.user_cache_dir("triptych")) / "compiled"
    root = Path(chosen).absolute() if chosen else users
    kind = "\n".join([platform.machine(), *machine.processor_lines("model name", "flags")])
    return root / hashlib.sha256(kind.encode()).hexdigest()[:16]


def keep() -> None:
    """Have this process, and those that it starts, keep what they compile.

    To be called before a framework is imported. Where nothing can be written nothing is kept, and
    what somebody has set for JAX stays as it is.
    """
    folder = directory()
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        for name, value in environment(folder).items():
            os.environ.setdefault(name, value)


def environment(folder: Path) -> dict[str, str]:
    """The variables with which JAX keeps what it compiles in a folder."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        # JAX's own threshold of a second leaves out evaluation steps, most of inference, and what
        # the ladder has many of.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
