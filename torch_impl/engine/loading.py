"""How the registry gets this panel: PyTorch is imported here, and no sooner."""

from shared.interface import Backend


def load() -> Backend:
    """Import PyTorch, and what ties it to `shared`."""
    from torch_impl.engine.backend import BACKEND

    return BACKEND
