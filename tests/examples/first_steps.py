"""The first steps: a network is built, trained, saved, loaded again, and asked.

python -m tests.examples.first_steps torch
"""

import sys
from pathlib import Path

import numpy as np

import triptych


def first_steps(backend: str, path: Path, examples: int = 4000) -> tuple[str, str, np.ndarray]:
    """What a model and its training say of themselves, and the digits that the model reads."""
    model = triptych.build("basic_net", backend, seed=0, hidden_size=64)
    data: triptych.TaskData = triptych.task_data("basic_net", triptych.load_data()).first(examples)
    history = triptych.fit(model, data, epochs=2)
    triptych.save_weights(path, model, history=history, data=data)

    again: triptych.Model = triptych.build("basic_net", backend, seed=1, hidden_size=64)
    triptych.load_weights(path, again)
    digits, confidence = again.predict(data.test["image"][:10])
    if confidence.min() < 0.1:
        raise triptych.TriptychError("of ten classes the likeliest has at least a tenth")
    return repr(model), repr(history), digits


if __name__ == "__main__":
    for each in first_steps(sys.argv[1], Path("first-steps.safetensors")):
        print(each)
