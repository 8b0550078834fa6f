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
    """The compiler until somebody compiles: what an optimizer asks of it does nothing until then.

    Anything else, and anybody else, imports it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = find_spec(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked of every module, by `inspect` say
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> ModuleType:
        """The compiler itself; a thread waits for one that is importing it already."""
        if sys.modules.get(COMPILER) is self:
            sys.modules.pop(COMPILER, None)
        module = importlib.import_module(COMPILER)
        if _is_whole(module):
            _put(module)
        return module

    def _is_for_nothing(self) -> bool:
        """Whether an optimizer asks, and nothing has been compiled yet."""
        asking = sys._getframe(2).f_globals.get("__name__", "")
        by_optimizer = asking == "torch._compile" or asking.startswith("torch.optim.")
        return by_optimizer and sys.modules.get(COMPILER) is self

    def graph_break(self, *arguments: Any, **options: Any) -> None:
        """Where the compiler would begin anew."""
        if not self._is_for_nothing():
            self._real().graph_break(*arguments, **options)

    def disable(self, fn: Any = None, *arguments: Any, **options: Any) -> Any:
        """A function that the compiler leaves alone."""
        if self._is_for_nothing():
            return fn
        return self._real().disable(fn, *arguments, **options)


def _is_whole(module: ModuleType) -> bool:
    """Whether a module is imported to its end."""
    return not getattr(module.__spec__, "_initializing", False)


def _put(module: ModuleType) -> None:
    """Let a module be PyTorch's compiler."""
    import torch

    sys.modules[COMPILER] = torch._dynamo = module  # type: ignore[assignment]
