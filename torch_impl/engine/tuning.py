"""The tuned variant: a module's own layers, in the order and memory layout that are fastest.

`tuned(module)` records the module's forward pass with `torch.fx` and writes it anew; the layers and
their parameters stay the module's own. What cannot be recorded, such as a forward pass that depends
on the data, is left as it is.
"""

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

RELUS: set[Any] = {nn.ReLU, F.relu, torch.relu, "relu"}
MAX_POOLS: set[Any] = {nn.MaxPool2d, F.max_pool2d, torch.max_pool2d}


def tuned(module: nn.Module) -> nn.Module:
    """The module with channels last, and max-pooling before ReLU, in the mode that it is in.

    Channels last is the memory order that convolutions are best at, on a CPU and on a GPU. The
    largest of what ReLU leaves is what ReLU leaves of the largest, and a quarter of the pixels is
    less work; the gradient goes to the same pixel, the first of the largest, or nowhere.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        graph = fx.Tracer().trace(module)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError):
        return module
    parts, changed = dict(module.named_modules()), False
    for pool in list(graph.nodes):
        if not _is_one(pool, MAX_POOLS, parts) or _gives_indices(pool, parts):
            continue
        relu: Any = pool.args[0]
        if _is_one(relu, RELUS, parts) and len(relu.users) == 1:
            pool.replace_all_uses_with(relu)
            pool.replace_input_with(relu, relu.args[0])
            relu.replace_input_with(relu.args[0], pool)
            pool.append(relu)
            changed = True
    return fx.GraphModule(module, graph) if changed else module


def _is_one(node: Any, kinds: set[Any], parts: dict[str, nn.Module]) -> bool:
    """Whether a node of a graph calls one of these functions or layers."""
    if not isinstance(node, fx.Node):
        return False
    return (type(parts[node.target]) if node.op == "call_module" else node.target) in kinds  # type: ignore[index]


def _gives_indices(pool: fx.Node, parts: dict[str, nn.Module]) -> bool:
    """Whether max-pooling is asked for the places of the largest values too."""
    if pool.op == "call_module":
        return bool(parts[pool.target].return_indices)  # type: ignore[index]
    return bool(pool.kwargs.get("return_indices"))
