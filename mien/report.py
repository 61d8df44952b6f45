"""The report of a run: where its numbers come from, and that its books add up."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from mien.contract.atomic import AtomicFile, write_aside
from mien.contract.expressions import EXPRESSIONS
from mien.contract.frames import SourceInfo
from mien.contract.geometry import AnalysisGeometry
from mien.contract.outputs import OutputSettings
from mien.contract.plain import as_plain
from mien.contract.requests import RunRequest
from producer.addresses import local_path

UNITS = {
    "time_s": "seconds of presentation time from the source's first frame",
    "box": "x1, y1, x2, y2 in pixels of the upright source picture",
    "confidence": "the detector's, 0 to 1",
    "probabilities": "the classifier's, of this frame alone, summing to 1",
}

_PACKAGES = ("torch", "torchvision", "facenet-pytorch", "av", "opencv-python-headless", "numpy")


@dataclass(frozen=True)
class Provenance:
    """What the numbers of a run depend on."""

    request: RunRequest
    info: SourceInfo
    geometry: AnalysisGeometry
    weights: Mapping[str, object]
    """Architecture, tensor hash, recipe and commit."""
    numerics: Mapping[str, str]
    """Device kind, types and versions that the networks ran with."""

    def about(self) -> dict[str, object]:
        """Source, settings, hashes, numerics and units, without a path, host or wall time."""
        return {
            "mien": metadata.version("mien"),
            "source": self._source(),
            "settings": self._settings(),
            "analysis_image": self._analysis_image(),
            "weights": dict(self.weights),
            "numerics": dict(self.numerics),
            "expressions": list(EXPRESSIONS),
            "units": UNITS,
        }

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = as_plain(self.request.analysis)
        settings["weights"] = Path(self.request.analysis.weights).name
        return settings

    def _analysis_image(self) -> dict[str, object]:
        """What became of the sizes asked for; the smallest face is in this image's pixels."""
        size = self.geometry
        smallest = round(size.min_face_px, 3)
        return {"width": size.width, "height": size.height, "min_face_px": smallest}

    def _source(self) -> dict[str, object]:
        source: dict[str, object] = as_plain(self.info)
        source["name"] = Path(self.info.name).name
        source["sha256"] = self._source_sha256
        return source

    @cached_property
    def _source_sha256(self) -> str | None:
        """Of a local file; None for cameras and URLs."""
        path = local_path(self.request.source)
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def write_report(
    path: Path, provenance: Provenance, account: Mapping[str, object], *, overwrite: bool
) -> AtomicFile:
    """The report as JSON, yet to be committed; `account` is what became of the run.

    Raises:
        UsageError: it is there and must not be replaced.
        OutputError: it cannot be written.
    """
    report = {
        **provenance.about(),
        "versions": {"python": platform.python_version()} | _versions(),
        "options": [_options(output) for output in provenance.request.outputs],
        **{name: as_plain(value) for name, value in account.items()},
    }
    return write_aside(path, json.dumps(report, indent=2) + "\n", overwrite=overwrite)


def _options(output: OutputSettings) -> dict[str, object]:
    """Settings of an output, without a password."""
    return {**as_plain(output), "target": output.name}


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _PACKAGES}
