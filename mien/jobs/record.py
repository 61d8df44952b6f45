"""The record of a job: small, JSON, and all that is kept of a job that has ended."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mien.contract.errors import JobError
from mien.contract.outputs import parse_target
from mien.jobs.live_status import largest_status, shortened
from producer.addresses import kind_of_name

State = Literal[
    "queued", "waiting for the source", "waiting for an analyzer", "running",
    "finished", "failed", "cancelled",
]  # fmt: skip
Artifact = Literal["output", "results", "report"]
"""A kind of file that a job writes."""

OVER: frozenset[State] = frozenset({"finished", "failed", "cancelled"})
"""States that a job does not leave by itself."""

KEEP_S = 7 * 24 * 3600
"""How long the record of a job that is over is kept, unless the submitter says otherwise."""

LONGEST_ERROR_BYTES = 500
"""Longest error message in a record, as JSON."""

MOST_BYTES = 10_000
"""A record is never larger, whatever happens to the job; what could become so is not submitted."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job. It changes by `replace`, and only its running attempt or a command may do that."""

    id: str
    request: dict[str, Any]
    """As JSON (`mien.contract.request_json`), its addresses without their passwords."""
    sealed: str | None = None
    """The addresses that have one, encrypted (`mien.jobs.secrets`); None where none has."""
    state: State = "queued"
    created_s: float = 0.0
    """Seconds since 1970, UTC; the others alike."""
    started_s: float | None = None
    """When its last attempt began."""
    ended_s: float | None = None
    keep_s: int = KEEP_S
    webhook: str | None = None
    attempts: int = 0
    done: int = 0
    """Frames that the running or last attempt is done with, whether they are shown or not."""
    total: int | None = None
    """Frames that its container promises; None for a camera and where it does not say."""
    fps: float | None = None
    """`done` a second."""
    eta_s: float | None = None
    exit_code: int | None = None
    """What `mien run` would have ended with."""
    error: str | None = None
    """One sentence."""
    written: tuple[Artifact, ...] = ()
    """Which of the files that it was asked for are in place."""
    live: dict[str, Any] | None = None
    """How a camera does in the running or last attempt (`mien.jobs.live_status`)."""
    owns_outputs: bool = False
    """An attempt began to write: files of these names are the job's own, and may be replaced."""
    is_live: bool = False
    """The last attempt that opened its source found one without an end."""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def source(self) -> str:
        """As it may be shown: without a password."""
        return str(self.request["source"])

    @property
    def is_camera(self) -> bool:
        """Whether its source has no end, as far as its request or an attempt knows."""
        is_known = self.is_live or bool(self.request.get("attached"))
        return is_known or kind_of_name(self.source) == "camera"

    @property
    def left_behind(self) -> tuple[Artifact, ...]:
        """What a camera's attempts have left without being its last; those of files leave nothing.

        Files and results grow in place; a report is there where an attempt was told to leave.
        """
        if not (self.is_camera and self.owns_outputs):
            return ()
        there: dict[Artifact, object] = {
            "output": self.request.get("outputs"),
            "results": self.request.get("results"),
            "report": "report" in self.written,
        }
        return tuple(what for what, is_there in there.items() if is_there)

    @property
    def playlists(self) -> list[Path]:
        """Those that a camera's attempts have left, with or without an end."""
        outputs = self.request["outputs"] if "output" in self.left_behind else []
        targets = [parse_target(str(output["target"])) for output in outputs]
        return [path for path in targets if isinstance(path, Path) and _is_playlist(path)]

    @property
    def outputs(self) -> list[str]:
        """Paths of the files that are in place."""
        targets: list[str] = [str(output["target"]) for output in self.request.get("outputs", [])]
        places: dict[Artifact, list[str | None]] = {
            "output": [_segments_of(name) if self.is_camera else name for name in targets],
            "results": [self.request.get("results")],
            "report": [self.request.get("report")],
        }
        return [str(place) for what in self.written for place in places[what]]

    def to_json(self) -> bytes:
        text = json.dumps(dataclasses.asdict(self), separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")  # a path may be no proper text

    def status(self) -> dict[str, Any]:
        """What a user and a webhook are told; `docs/operation.md` says what each means."""
        return {name: getattr(self, name) for name in _STATUS_FIELDS}


_STATUS_FIELDS = (
    "id", "state", "source", "done", "total", "fps", "eta_s", "attempts", "exit_code", "error",
    "created_s", "started_s", "ended_s", "outputs", "live",
)  # fmt: skip
_FIELDS = {field.name for field in dataclasses.fields(JobRecord)}


def record_from_json(text: bytes) -> JobRecord:
    """A record again, without fields that this version does not know.

    In records of versions without `is_live`, a live status with a rate says so.

    Raises:
        ValueError: it is not a record.
    """
    plain = json.loads(text.decode("utf-8", "surrogatepass"))
    try:
        known = {name: value for name, value in plain.items() if name in _FIELDS}
        known.setdefault("is_live", "fps" in (known.get("live") or {}))
        return JobRecord(**{**known, "written": tuple(known.get("written", ()))})
    except (AttributeError, TypeError) as error:
        raise ValueError("this is no job record") from error


def _segments_of(target: str) -> str:
    """The names of the files that a camera's output is recorded into; others keep theirs."""
    path = parse_target(target)
    if isinstance(path, str) or _is_playlist(path):
        return target
    return str(path.with_name(f"{path.stem}-*{path.suffix}"))


def _is_playlist(path: Path) -> bool:
    return path.suffix.lower() == ".m3u8"


def failed(record: JobRecord, error: str, exit_code: int, ended_s: float) -> JobRecord:
    """The record of a job that ended without all that it was asked for."""
    return dataclasses.replace(
        record, state="failed", written=record.left_behind, ended_s=ended_s, eta_s=None,
        error=shortened(error, LONGEST_ERROR_BYTES), exit_code=exit_code,
    )  # fmt: skip


def cancelled(record: JobRecord, ended_s: float) -> JobRecord:
    """The record of a job that was cancelled while no attempt was at its source.

    What a camera's earlier attempts have recorded is finished and stays, so that all is well.
    """
    left_behind = record.left_behind
    return dataclasses.replace(
        record, state="cancelled", written=left_behind, ended_s=ended_s, eta_s=None,
        exit_code=0 if left_behind else JobError.exit_code,
        error=f"cancelled {'between two attempts' if record.owns_outputs else 'before it began'}",
    )  # fmt: skip


def given_up(record: JobRecord) -> str:
    """Why there is no further attempt."""
    return f"given up after {record.attempts} attempts: its worker died again and again"


def largest_bytes(record: JobRecord) -> int:
    """The largest size that a record can grow to."""
    most = failed(record, "?" * LONGEST_ERROR_BYTES, 100, record.created_s)
    number = 1e9 + 0.1
    return len(
        dataclasses.replace(
            most, state="waiting for an analyzer", started_s=record.created_s,
            attempts=10**6, done=10**9, total=10**9, fps=number, eta_s=number,
            written=("output", "results", "report"), owns_outputs=True,
            live=largest_status([output["target"] for output in record.request["outputs"]]),
        ).to_json()
    )  # fmt: skip
