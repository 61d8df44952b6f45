"""What a stage may ask of a transport. Stages know these ports and never which transport it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mien.contract.analyses import AnalysisImage, AnalysisRecord


@dataclass(frozen=True, slots=True)
class Lease:
    """An image that an analyzer has taken and must publish or hand back."""

    image: AnalysisImage
    deliveries: int
    """How often it was handed out, this time included; more than 1 means somebody died on it."""
    token: str
    """The transport's own mark of this delivery."""


class WorkPort(Protocol):
    """An analyzer's side: work from all streams, results to the stream each came from."""

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        """At most `limit` images, oldest first; waits up to `wait_s` for the first one.

        Raises:
            Closed: the transport has been closed; there will be no more work.
        """

    def publish(self, lease: Lease, record: AnalysisRecord) -> None:
        """Hand in the result, then acknowledge: a death in between repeats work, loses none."""

    def give_back(self, lease: Lease) -> None:
        """Let somebody else take it."""


class StreamPort(Protocol):
    """A stream process's side of one stream: work goes out, results come back."""

    def offer(self, image: AnalysisImage) -> None:
        """Put an image into the work queue. Never blocks: the frame window is the backpressure."""

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        """Records from position `after` on, in order of publication; repeats are possible.

        A stream has one reader, whose position never goes back: what lies before it may be gone.

        Waits up to `wait_s` for the first one. The next position is `after + len(result)`.

        Raises:
            Closed: the transport has been closed.
        """

    def close(self) -> None:
        """Forget the stream: what it has offered is withdrawn."""


class Transport(Protocol):
    """Connects streams with analyzers."""

    def stream(self, stream: str) -> StreamPort: ...

    def work(self) -> WorkPort: ...

    def close(self) -> None:
        """Wake everybody who waits; all further calls raise `Closed`."""


class Closed(Exception):  # noqa: N818 - the end of work, not a mishap
    """The transport was closed, by the run's end or by another stage's failure."""
