"""One name chosen from those that there are, or a sentence that says what they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from shared.errors import ConfigurationError

FEW = 6
"""So many names, and no more, are listed even where one of them is near."""

_JAX = "the backend flax runs on JAX"
_TENSORFLOW = "the backend keras runs on TensorFlow"

MEANT: Mapping[str, Mapping[str, str]] = {
    "backend": {
        "jax": _JAX,
        "linen": _JAX,
        "tensorflow": _TENSORFLOW,
        "tf": _TENSORFLOW,
        "pytorch": "the backend of PyTorch is torch",
    },
    "device": dict.fromkeys(("gpu", "nvidia"), "a GPU is called cuda here"),
    "verb": {"help": "`triptych --help` shows them all"},
}
"""What names that others use stand for here, by the kind of thing that they would name."""


def choose(kind: str, name: str, names: Iterable[str]) -> str:
    """`name` if it is one of `names`.

    Raises:
        ConfigurationError: it is not. The sentence says what it stands for here (see `MEANT`), or
            has the names that there are, the nearest one, or both.
    """
    check_text(kind, name)
    known = list(names)
    if name in known:
        return name
    refusal = f"there is no {kind} {name!r}"
    if hint := meant(kind, name):
        raise ConfigurationError(refusal + hint)
    near = nearest(name, known)
    if near is None:
        raise ConfigurationError(f"{refusal}; there are {', '.join(known)}")
    if len(known) > FEW:
        raise ConfigurationError(f"{refusal}; did you mean {near!r}?")
    raise ConfigurationError(f"{refusal}; there are {', '.join(known)}: did you mean {near!r}?")


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """Words as a sentence has them: "torch, flax and keras"."""
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def check_seed(seed: int) -> int:
    """A seed, if every generator takes it.

    Raises:
        ConfigurationError: it is no whole number in [0, 2^31).
    """
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise ConfigurationError(f"seed must be in [0, 2147483648), not {seed!r}")
    return seed


def check_text(kind: str, name: object) -> None:
    """Raise ConfigurationError unless a name is a text."""
    if not isinstance(name, str):
        raise ConfigurationError(f"the name of a {kind} must be a text, not {name!r}")


def meant(kind: str, name: str) -> str:
    """How a sentence goes on that refuses a name which others use; else nothing."""
    hint = MEANT.get(kind, {}).get(folded(name))
    return f"; {hint}" if hint else ""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is spelt most like `name`, if any is."""
    spelt = {folded(known): known for known in names}
    near = difflib.get_close_matches(folded(name), spelt, n=1)
    return spelt[near[0]] if near else None


def folded(name: str) -> str:
    """A name as it is compared: small letters, without `_`, `-` and the end of a file's name."""
    return name.lower().removesuffix(".py").replace("_", "").replace("-", "")
