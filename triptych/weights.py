"""A model's weights in a file, under PyTorch's names and in its layouts."""

from __future__ import annotations

from pathlib import Path

from shared import registry, weights
from shared.data.mnist import Dataset
from shared.data.tasks import TaskData
from shared.errors import WeightsError
from shared.interface import Model
from shared.train.loop import History
from triptych.models import check_model, spec_of


def save_weights(
    path: str | Path,
    model: Model,
    *,
    history: History | None = None,
    data: Dataset | TaskData | None = None,
) -> None:
    """Write a model's weights into a safetensors file.

    The file says which network they are for, as those of `triptych train` do. So
    `triptych predict` reads it, and `load_weights` in every backend.

    Args:
        path: The file. One that is there is written over.
        model: What `build` gave.
        history: What `fit` gave, to be kept with the weights.
        data: What it was trained on, whose name is kept with the weights.

    Raises:
        TriptychError: The model is of no architecture, or the file cannot be written.
    """
    spec = spec_of(model)
    metadata = weights.metadata(
        spec.name,
        model.network.plain_config(),
        model.backend,
        registry.load(model.backend).versions(),
        device=model.device,
        variant=model.variant,
        dtype=model.dtype,
        data=data.name if data is not None else None,
        history=history.to_dict(steps=False) if history is not None else None,
    )
    weights.write(Path(path), model.weights(), metadata)


def load_weights(path: str | Path, model: Model) -> None:
    """Give a model the weights in a safetensors file.

    They may come from any backend, from `save_weights` or `triptych train`, and from PyTorch's own
    `state_dict` of the same network.

    Args:
        path: The file.
        model: What `build` gave; it is changed in place.

    Raises:
        ConfigurationError: The model is none of `build`'s.
        WeightsError: The file cannot be read, holds something else than weights, or its tensors are
            not the network's. The sentence names them all, and the model is as it was.
    """
    check_model(model)
    path = Path(path)
    arrays, metadata = weights.read_network(path)
    try:
        model.load_weights(arrays)
    except WeightsError as error:
        owner = metadata.get("architecture")
        whose = f", weights of {owner}," if isinstance(owner, str) else ""
        raise WeightsError(
            f"{path}{whose} cannot be loaded into {model.network.cls}: {error}"
        ) from error
