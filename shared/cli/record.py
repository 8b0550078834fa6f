"""`triptych record`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Device, OneBackend, Output, ProofOptions
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from shared.parity.evidence import Evidence


@dataclass(frozen=True)
class Options:
    """What the evidence is of, and where it is written."""

    architectures: list[str] = option(
        nargs="+",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="names from `triptych list`",
    )
    path: Path | None = option(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        completer=completing.files(".safetensors"),
        help="the evidence's file, of one architecture "
        "(default: ARCHITECTURE-BACKEND-evidence.safetensors)",
    )


def record(
    device: Device, proof: ProofOptions, output: Output, backend: OneBackend, options: Options
) -> int:
    """Write one backend's evidence, to hold it against another's.

    Each architecture has a file of its own, and `triptych parity FILE FILE` needs no framework. So
    a run on a GPU is held against a laptop's, and one version of a library against another.
    """
    architectures = checks.architectures(options.architectures)
    panel = backend.checked()
    precision = proof.checked_precision()
    dtypes = proof.dtypes()
    device.checked()
    if options.path and len(architectures) > 1:
        raise ConfigurationError(
            f"--output names the file of one architecture, and there are {len(architectures)}; "
            "without it each gets a file of its own"
        )
    paths = [
        checks.writable_file(options.path or Path(f"{spec.name}-{panel}-evidence.safetensors"))
        for spec in architectures
    ]
    from shared.parity import evidence
    from shared.parity.record import record as gather

    values = []
    for spec, path in zip(architectures, paths, strict=True):
        with printing.console(stderr=True).status("starting") as status:
            gathered = gather(
                spec,
                panel,
                dtypes,
                device=device.device,
                precision=precision,
                trainings=proof.trainings,
                report=status.update,
            )
        evidence.write(path, gathered)
        values.append(_value(gathered, dtypes, path))
        if not output.as_json:
            size = f"{path.stat().st_size / 1e6:.0f} MB"
            print(f"evidence of {spec.name} by {gathered.title}: {size} written to {path}")
    if output.as_json:
        printing.print_json(values if len(values) > 1 else values[0])
    return 0


def _value(evidence: Evidence, dtypes: list[str], path: Path) -> dict[str, Any]:
    """What JSON says of a file of evidence."""
    names = ("architecture", "backend", "versions", "device", "precision")
    return {
        **{name: getattr(evidence, name) for name in names},
        "dtypes": dtypes,
        "cases": [*evidence.cases],
        "file": str(path),
        "bytes": path.stat().st_size,
    }
