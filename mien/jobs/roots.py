"""The folders that a worker may read and write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.contract.errors import SourceError, UsageError
from mien.contract.requests import RunRequest
from mien.preflight import comes_with_mien
from producer.addresses import SCHEME, WEBCAM, local_path


@dataclass(frozen=True, slots=True)
class Roots:
    """None allows everything that the worker's user may do.

    The check is made once, before anything is opened: it does not guard against a folder whose
    files and links are exchanged while the job runs.
    """

    read: Path | None = None
    write: Path | None = None

    def check(self, request: RunRequest) -> None:
        """Refuse what lies elsewhere, wherever links and `..` lead.

        Raises:
            SourceError: the source is outside of the folder for inputs.
            UsageError: an output, or a weights file, is outside of its folder.
        """
        self._check_source(request.source)
        for target in request.files:
            if self.write is not None and not _inside(target, self.write):
                raise UsageError(f"{target} lies outside of {self.write}, where workers may write")
        weights = request.analysis.weights
        if self.read is None or comes_with_mien(weights) or _inside(Path(weights), self.read):
            return
        raise UsageError(f"{weights} lies outside of {self.read}, where workers may read")

    def _check_source(self, source: str) -> None:
        if self.read is None:
            return
        path = Path(source) if WEBCAM.fullmatch(source) else local_path(source)
        if path is None:
            return
        if SCHEME.match(source):
            raise SourceError(f"{source} names a local file by URL, which workers do not read")
        if not _inside(path, self.read):
            raise SourceError(f"{source} lies outside of {self.read}, where workers may read")


def _inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # the second for links in a circle
        return False
