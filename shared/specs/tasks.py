"""The tasks that architectures are trained for."""

from __future__ import annotations

from shared.specs.model import Objective, Task

DIGITS = Task(
    "digits",
    "ten classes, cross-entropy on the logits",
    (Objective("logits", "label", "cross_entropy"),),
)
DIGITS_AND_SLANT = Task(
    "digits_and_slant",
    "ten classes, and the digit's slant by least squares",
    (
        Objective("class_output", "label", "cross_entropy"),
        Objective("reg_output", "slant", "mean_squared_error"),
    ),
)
SMOOTHED_DIGITS = Task(
    "digits",
    "ten classes, cross-entropy with labels smoothed by a tenth: so few digits are soon known by "
    "heart, and a perceptron gains half a per cent if it may not be sure of them",
    (Objective("logits", "label", "cross_entropy", smoothing=0.1),),
)
EARLY_EXIT = Task(
    "digits",
    "ten classes at both exits; evaluated one image at a time, for each leaves by itself",
    (
        Objective("logits", "label", "cross_entropy"),
        Objective("early_logits", "label", "cross_entropy"),
    ),
    metrics=("accuracy", "left_early"),
    evaluation_batch=1,
)
SEGMENTATION = Task(
    "segmentation",
    "two to four digits on a canvas of 64x64, each pixel its digit or background",
    (Objective("logits", "mask", "cross_entropy"),),
    metrics=("mean_iou", "accuracy"),
    evaluation_batch=100,
)
TRANSCRIPTION = Task(
    "transcription",
    "a strip of three to six digits, read as a sequence of pixel columns, to the digits in order",
    (Objective("logits", "following", "cross_entropy"),),
    metrics=("decoded_accuracy", "accuracy"),
)
