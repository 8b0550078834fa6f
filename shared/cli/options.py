"""The options that several verbs share, and what makes sense of their values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from shared import specs
from shared.choosing import choose
from shared.cli import checks, completing
from shared.cli.arguments import option
from shared.cli.printing import PRINTED
from shared.panels import PANELS

_PRESETS = "; ".join(
    f"{name}, for {spec.name}, {preset.summary}"
    for spec in specs.SPECS.values()
    for name, preset in spec.presets.items()
)

OWN = "default: the architecture's own"
"""What the help says of a setting that every architecture has for itself."""

PRECISIONS = ("highest", "default")


@dataclass(frozen=True)
class TrainingOptions:
    """How to train, and on what."""

    data: str = option(
        "--data",
        default="sample",
        completer=completing.words(completing.data_sets),
        help="sample (the default), mnist or fashion_mnist",
    )
    preset: str | None = option(
        "--preset",
        metavar="NAME",
        completer=completing.words(lambda: {n for s in specs.SPECS.values() for n in s.presets}),
        help="settings made for one purpose, which the options below change: "
        + _PRESETS.replace("%", "%%"),
    )
    epochs: int | None = option("--epochs", type=int, help=f"passes over the data ({OWN})")
    batch_size: int | None = option("--batch-size", type=int, help=f"examples in a batch ({OWN})")
    optimizer: str | None = option(
        "--optimizer",
        completer=completing.words(lambda: specs.OPTIMIZERS),
        help=f"adam, adamw or sgd ({OWN})",
    )
    learning_rate: float | None = option(
        "--learning-rate", type=float, help=f"the optimizer's learning rate ({OWN})"
    )
    momentum: float | None = option("--momentum", type=float, help=f"of sgd ({OWN})")
    dropout: bool | None = option(
        "--no-dropout",
        action="store_false",
        default=None,
        help="let dropout rest in training too, so that trainings differ by rounding alone",
    )
    seed: int = option(
        "--seed", type=int, default=0, help="of weights, batch order and dropout (default: 0)"
    )

    def changed(self, settings: specs.Settings) -> specs.Settings:
        """The architecture's or a preset's settings, with those changed that were asked for."""
        asked_for = {each.name: getattr(self, each.name, None) for each in fields(settings)}
        return replace(settings, **{k: v for k, v in asked_for.items() if v is not None})


@dataclass(frozen=True)
class DataDirectory:
    """Where data sets are kept."""

    data_dir: Path | None = option(
        "--data-dir",
        type=Path,
        metavar="DIR",
        completer=completing.folders,
        help="where full data sets are (default: TRIPTYCH_DATA, or the user's cache)",
    )


@dataclass(frozen=True)
class Backends:
    """Which backends to use."""

    backends: str | None = option(
        "--backends",
        default=None,
        metavar="NAMES",
        completer=completing.several(completing.backends),
        help="which to use, with commas between (default: all that are installed)",
    )

    def chosen(self) -> list[str]:
        """Their names, all if none was asked for; an unknown one is refused."""
        return checks.chosen("backend", self.backends, PANELS)


@dataclass(frozen=True)
class OneBackend:
    """The one backend to use."""

    backend: str = option(
        "--backend",
        required=True,
        completer=completing.words(completing.backends),
        help="torch, flax or keras",
    )

    def checked(self) -> str:
        """The backend; an unknown one is refused."""
        return choose("backend", self.backend, PANELS)


@dataclass(frozen=True)
class Device:
    """What to compute on."""

    device: str = option(
        "--device",
        default="cpu",
        completer=completing.words(completing.devices),
        help="cpu (the default) or cuda",
    )

    def checked(self) -> str:
        """The device; one that has no meaning is refused before any work is done."""
        from shared.interface import DEVICES

        return choose("device", self.device, DEVICES)


@dataclass(frozen=True)
class Variant:
    """How a backend trains, evaluates and predicts."""

    variant: str = option(
        "--variant",
        old_name="--way",
        default="tuned",
        completer=completing.words(completing.variants),
        help="the backend's variant: tuned (the default), the fastest, or idiomatic, as the "
        "documentation writes it",
    )

    def checked(self) -> str:
        """The variant; an unknown one is refused before any work is done."""
        from shared.interface import VARIANTS

        return choose("variant", self.variant, VARIANTS)


@dataclass(frozen=True)
class Dtype:
    """What to compute in."""

    dtype: str = option(
        "--dtype",
        default="float32",
        completer=completing.words(completing.dtypes),
        help="float32 (the default), float64, or bfloat16, in which products alone are computed",
    )

    def checked(self) -> str:
        """The dtype; an unknown one is refused before any work is done."""
        from shared.interface import DTYPES

        return choose("dtype", self.dtype, DTYPES)


@dataclass(frozen=True)
class ProofOptions:
    """What a proof, or the evidence for one, is made of."""

    dtype: str | None = option(
        "--dtype",
        completer=completing.words(completing.proved_dtypes),
        help="float64 (meaning) or float32 (default: both)",
    )
    precision: str = option(
        "--precision",
        default="highest",
        completer=completing.words(lambda: PRECISIONS),
        help="of float32 on a GPU: highest (the default), or default, perhaps TF32",
    )
    trainings: bool = option(
        "--no-trainings",
        action="store_false",
        help="leave out the rungs where networks are trained, which take longest",
    )

    def dtypes(self) -> list[str]:
        """One dtype, or both, that networks are proved the same in; another one is refused."""
        from shared.boundary import check_proved
        from shared.interface import DTYPES, PROVED

        if self.dtype is None:
            return [*reversed(PROVED)]  # float64 first: it tells meaning
        choose("dtype", self.dtype, DTYPES)
        check_proved(self.dtype)
        return [self.dtype]

    def checked_precision(self) -> str:
        """The precision; an unknown one is refused."""
        return choose("precision", self.precision, PRECISIONS)


@dataclass(frozen=True)
class Output:
    """How a verb prints what it has to say."""

    as_json: bool = option("--json", action="store_true", help="print JSON instead")


def record_file(content: str) -> Any:
    """The field of an option `--record`: a file of JSON that later runs are held against."""
    return option(
        "--record",
        type=Path,
        metavar="FILE",
        completer=completing.files(".json"),
        help=content,
    )


def json_file(content: str, default: Path | None = None) -> Any:
    """The field of an option `--json` that may name a file, of a verb that writes `content`."""
    return option(
        "--json",
        type=Path,
        nargs="?",
        const=PRINTED,
        default=default,
        metavar="FILE",
        completer=completing.files(".json"),
        help=f"{content}; without a file: print it instead",
    )
