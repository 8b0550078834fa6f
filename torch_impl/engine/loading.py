"""How the registry gets this panel: PyTorch is imported here, and no sooner."""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from shared.interface import Backend

COMPILER = "torch._dynamo"
"""PyTorch's compiler. Every optimizer imports it, 3 seconds, to tell it to stay away."""


def load(*, whole: bool = True) -> Backend:
    """Import PyTorch, and what ties it to `shared`.

    `whole` is False for a process that should start quickly: its compiler is then imported when it
    is first used.
    """
    from torch_impl.engine.backend import BACKEND

    if not whole and COMPILER not in sys.modules:
        _put(_Later(COMPILER))
    return BACKEND


def framework() -> None:
    """Import PyTorch alone."""
    import torch.fx
    import torch.nn.functional  # noqa: F401


class _Later(ModuleType):
    """The compiler until somebody compiles: there is nothing that must stay away from a function.

    What an optimizer asks of it does nothing where nothing is compiled. Anything else imports it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = find_spec(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked of every module, by `inspect` say
            raise AttributeError(name)
        if sys.modules.get(COMPILER) is self:
            del sys.modules[COMPILER]
            _put(importlib.import_module(COMPILER))
        return getattr(sys.modules[COMPILER], name)

    def graph_break(self, msg: str = "") -> None:
        """Where the compiler would begin anew."""

    def disable(self, fn: Any = None, *_: Any, **__: Any) -> Any:
        """A function that the compiler leaves alone."""
        return fn if fn is not None else lambda function: function


def _put(module: ModuleType) -> None:
    """Let a module be PyTorch's compiler."""
    import torch

    sys.modules[COMPILER] = torch._dynamo = module  # type: ignore[assignment]
