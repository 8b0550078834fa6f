"""What one backend says of an architecture: named arrays, and what they are of.

Evidence is compared with NumPy alone, so that a run on one machine can be held against one from
another, and one version of a library against the next.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shared import formats, machine, weights
from shared.errors import DataError, EvidenceError, WeightsError
from shared.interface import TensorInfo

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """What evidence of a case was asked for, beside the passes: what is absent of it is missing.

    `recipes` are the trainings, of `steps` steps each; a training that was saved goes on for
    `further` steps; the trainers of both variants make `variants` steps, and in float32 `singles`,
    each by itself, and step by AdamW with `adam`, by momentum otherwise; `combinations` are the
    settings that they are tried with besides; where trainers are not looked at, `passes` of both
    variants are. Methods are
    called in every dtype, and what of them does not depend on a dtype is shown in the dtypes
    `methods`, without any of which there are none.
    """

    recipes: tuple[str, ...] = ()
    steps: int = 0
    further: int = 0
    variants: int = 0
    singles: int = 0
    combinations: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    passes: bool = False
    adam: bool = False

    def common(self, other: Asked) -> Asked:
        """What both were asked for."""
        recipes = tuple(recipe for recipe in self.recipes if recipe in other.recipes)
        alike = self.steps == other.steps
        return Asked(
            recipes if alike else (),
            self.steps,
            self.further if alike and self.further == other.further else 0,
            self.variants if self.variants == other.variants else 0,
            self.singles if self.singles == other.singles else 0,
            tuple(name for name in self.combinations if name in other.combinations),
            tuple(dtype for dtype in self.methods if dtype in other.methods),
            self.passes and other.passes,
            self.adam and other.adam,
        )


@dataclass(frozen=True)
class CaseEvidence:
    """One backend's arrays for one network, by dtype and name.

    The names, in the order of execution:

    - `inputs/NAME`, `targets/NAME`, `weights/TENSOR`: what it was given;
    - `exchange/TENSOR`: digests of weights that were loaded and read out again;
    - `forward/BATCH/OUTPUT`: outputs in evaluation mode;
    - `evaluation/LAYER:in`, `training/LAYER:out` and so on: what layers took and gave in both
      modes, without dropout;
    - `loss/value`, `gradients/TENSOR`, `input gradients/INPUT`, `buffers/TENSOR`: of one pass
      forward and backward in training mode;
    - `dropout loss/value`, `dropout gradients/TENSOR`: the same with given masks;
      `own dropout/LAYER`: what the framework's own does (`shared.parity.collect.own_dropout`);
    - `edges/KIND/outputs/OUTPUT`, `edges/KIND/loss`, `edges/KIND/gradients/TENSOR` and
      `edges/KIND/input gradients/INPUT`: of values that bite (`shared.parity.edges`);
      `edges/large/weights/outputs/OUTPUT`, and `nearby` of nearly the same inputs: with large
      weights; `edges/alike/classes` and so on: predictions where no logit is the largest;
      `edges/lent/before/WHAT` and `after`: digests of inputs, targets and weights; and how many
      warnings there were of read-only arrays;
    - `methods/predict/...`, `methods/decode/...`, `methods/features/value`: what they gave;
      `methods/config/ARGUMENT`: what `get_config` says; `methods/again/...`: outputs, and digests
      of the weights, of the network that was made of it; `methods/log/...`, `methods/frozen/...`:
      a log of epochs, and a frozen network in training mode and in batches;
      `methods/gradients/METHOD`: the largest gradient that passes a method; `methods/kept/TENSOR`:
      digests of the weights afterwards; `methods/errors/PART`: why one of these is absent;
    - `steps/RECIPE/TENSOR` and `steps/RECIPE/TENSOR@SLOT`: sketches of a parameter and of its
      optimizer's state after each step; `first/RECIPE/TENSOR`: a parameter after one step, and
      `first gradients/TENSOR` with which it was made; of Adam `second/RECIPE/TENSOR` and its first
      moment under `second/RECIPE/TENSOR@exp_avg`, after two steps;
    - `teacher-forced/TENSOR`: in float32, sketches of what each step changes when it starts from
      the weights and the optimizer's state of a float64 training; `teacher-forced float64/TENSOR`:
      of what that training changes itself; `teacher-forced kinks/STEP/LAYER`: a value that fell on
      the other side of a ReLU or a maximum in that step;
    - `resume/RECIPE/outputs/OUTPUT`, `resume/RECIPE/loaded/TENSOR@SLOT` and
      `resume/RECIPE/steps/TENSOR`: a training that was saved: its outputs, sketches of the
      optimizer's state as it was read out again, and of everything after each further step;
    - `variants/VARIANT/forward/OUTPUT`, `variants/VARIANT/RECIPE/STEP/TENSOR` and so on: outputs of
      the backend's variants, and what the steps of their trainers change; in a case without
      trainers `variants/VARIANT/loss/value`, `variants/VARIANT/gradients/TENSOR` and
      `variants/VARIANT/buffers/TENSOR`: of one pass;
    - `combinations/VARIANT/NAME/steps/TENSOR` and `combinations/VARIANT/NAME/losses`: sketches
      after each step of a trainer with some settings, and the losses before it.
    """

    backend: str
    label: str
    tables: dict[str, list[TensorInfo]]
    arrays: dict[str, Arrays]
    asked: Asked = field(default_factory=Asked)
    dropouts: dict[str, float] = field(default_factory=dict)
    unbiased: bool = False
    """Whether batch norm's running variance is made of the batch's unbiased variance."""

    @property
    def dtypes(self) -> list[str]:
        """The dtypes that were computed in."""
        return list(self.arrays)

    def under(self, dtype: str, rung: str) -> Arrays:
        """A rung's arrays by what follows its name."""
        start = f"{rung}/"
        arrays = self.arrays.get(dtype, {})
        return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}


@dataclass(frozen=True)
class Evidence:
    """One backend's evidence of an architecture."""

    architecture: str
    backend: str
    versions: dict[str, str]
    device: str
    precision: str
    """"highest", or "default": what the library does with float32 by itself, TF32 perhaps."""
    networks: dict[str, dict[str, Any]]
    """Each case's class and configuration."""
    cases: dict[str, CaseEvidence]
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of which run it is: evidence that is held against itself proves nothing."""

    @property
    def title(self) -> str:
        """Who this is of, in a few words."""
        return f"{self.backend} ({machine.libraries(self.versions)} on {self.device})"


def write(path: Path, evidence: Evidence) -> None:
    """Write evidence as a safetensors file with a sum over all of its content.

    Arrays are under the digest of their content, each once: what one layer gives, the next takes.

    Raises:
        EvidenceError: the file cannot be written.
    """
    kept: Arrays = {}
    names: dict[str, dict[str, str]] = {}
    for index, case in enumerate(evidence.cases.values()):
        for dtype, arrays in case.arrays.items():
            of_dtype = names[f"{index}/{dtype}"] = {}
            for name, array in arrays.items():
                of_dtype[name] = key = digest(array).tobytes().hex()
                kept.setdefault(key, array)
    about = {
        **formats.stamp("evidence"),
        **{
            name: getattr(evidence, name)
            for name in (
                "architecture",
                "backend",
                "versions",
                "device",
                "precision",
                "networks",
                "run",
            )
        },
        "cases": [
            {
                "label": case.label,
                "tables": {d: [asdict(row) for row in rows] for d, rows in case.tables.items()},
                "asked": asdict(case.asked),
                "dropouts": case.dropouts,
                "unbiased": case.unbiased,
            }
            for case in evidence.cases.values()
        ],
        "arrays": names,
    }
    try:
        weights.write(path, kept, {"about": about, "sum": _sum(about)})
    except WeightsError as error:
        raise EvidenceError(str(error)) from error


def read(path: Path) -> Evidence:
    """Read evidence.

    Raises:
        EvidenceError: the file is not there, is truncated, is no evidence, is of another format,
            or is not what was written.
    """
    try:
        kept, metadata = weights.read(path)
    except WeightsError as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise EvidenceError(f"cannot read evidence from {path}: {reason}") from error
    about = metadata.get("about")
    if not isinstance(about, dict) or formats.kind_of(about) != "evidence":
        raise EvidenceError(f"{path} is no evidence; `triptych record` writes such files")
    try:
        version = formats.check(about, "evidence")
    except DataError as error:
        raise EvidenceError(f"{path} cannot be read: {error}") from error
    if version < formats.FORMATS["evidence"]:
        raise EvidenceError(
            f"{path} is evidence of format {version}, of an earlier version, which was computed "
            "from other numbers; record it again"
        )
    if metadata.get("sum") != _sum(about) or not _is_whole(kept, about["arrays"]):
        raise EvidenceError(f"{path} was changed after it was written; record it again")
    cases = {}
    for index, case in enumerate(about["cases"]):
        tables = {
            dtype: [TensorInfo(**{**row, "shape": tuple(row["shape"])}) for row in rows]
            for dtype, rows in case["tables"].items()
        }
        by_dtype = {
            dtype: {name: kept[key] for name, key in about["arrays"][f"{index}/{dtype}"].items()}
            for dtype in tables
        }
        numbers: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in case["asked"].items()}
        asked = Asked(**numbers)
        cases[case["label"]] = CaseEvidence(
            about["backend"],
            case["label"],
            tables,
            by_dtype,
            asked,
            case["dropouts"],
            case["unbiased"],
        )
    return Evidence(
        about["architecture"],
        about["backend"],
        about["versions"],
        about["device"],
        about["precision"],
        about["networks"],
        cases,
        about["run"],
    )


def digest(array: np.ndarray) -> np.ndarray:
    """SHA-256 (32,) uint8 of an array's shape, dtype and bytes."""
    whole = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    whole.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(whole.digest(), np.uint8)


def _is_whole(kept: Arrays, names: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the arrays are those that were written, and all of them."""
    named = {key for of_dtype in names.values() for key in of_dtype.values()}
    return named == set(kept) and all(
        digest(array).tobytes().hex() == key for key, array in kept.items()
    )


def _sum(about: Mapping[str, Any]) -> str:
    """SHA-256 over what arrays there are and what they are of: their own digests are in it."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
