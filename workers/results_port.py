"""What takes the numbers of a stream, whatever it makes of them."""

from __future__ import annotations

from typing import Protocol

from mien.contract.frames import Capture, Gap
from workers.faces import FaceSnapshot
from workers.results_table import Origin


class Results(Protocol):
    """Takes the analysed frames of a stream in order."""

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None: ...

    def lost(self, index: int, time_ns: int, reason: str, capture: Capture | None = None) -> None:
        """A frame whose analysis was given up."""

    def outage(self, gap: Gap, length_ns: int) -> None:
        """A live source gave no picture for so long, from `gap.since_ns` on."""

    def finish(self, origin: Origin) -> None:
        """Write the file to its end, all but its name; `origin` says where the numbers come from.

        Raises:
            OutputError: it cannot be written.
        """

    def commit(self) -> None:
        """Put the file in place, once everything else that a run leaves is finished as well.

        Raises:
            OutputError: another file took the name meanwhile.
        """

    def abort(self) -> None:
        """Leave nothing behind."""
