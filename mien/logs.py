"""What workers write while they run: one line an event, with the job that it is about.

Nothing that is logged holds a password: sources, outputs and servers are named as they may be
shown wherever their names are made.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Literal

from mien.contract.text import printable
from mien.contract.utc import utc_text

LogFormat = Literal["text", "json"]

_log = logging.getLogger("mien")

FACTS = ("job", "attempt", "frames", "seconds", "exit_code", "error", "trace")
"""What an event may say besides its sentence, by `extra`."""


def set_up(form: LogFormat) -> None:
    """Write events of this process, and of those that it forks, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)  # else a library's warning is no event, and several lines


def are_json() -> bool:
    """Whether whoever reads standard error wants one object a line."""
    return any(isinstance(one.formatter, _Json) for one in logging.getLogger().handlers)


def tell_end(message: str, exit_code: int, *, trace: bool) -> None:
    """Write why this process ends, as the error that is handled now has it."""
    _log.error("%s", message, exc_info=trace, extra={"exit_code": exit_code})


def about(job: str) -> None:
    """Add a job's id to everything that this process logs from now on; for a work horse."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_About(job))


class _About(logging.Filter):
    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__.setdefault("job", self._job)
        return True


class _Text(logging.Formatter):
    """2026-11-24T12:00:00.123Z WARNING job 17: its worker is dead"""

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        job = f"job {facts.pop('job')}: " if "job" in facts else ""
        rest = "".join(f" {name}={_quoted(value)}" for name, value in facts.items())
        sentence = record.getMessage()
        return printable(
            _one_line(f"{utc_text(record.created)} {record.levelname} {job}{sentence}{rest}")
        )


class _Json(logging.Formatter):
    """One object a line: ts (UTC), level, event, logger, and the facts that there are."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "ts": utc_text(record.created),
            "level": record.levelname.lower(),
            "event": _one_line(record.getMessage()),
            "logger": record.name,
            **_facts(record),
        }
        return json.dumps(event, ensure_ascii=False, default=str)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = {name: value for name in FACTS if (value := record.__dict__.get(name)) is not None}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        # without its text, which may hold anything
        facts["error"] = type(error).__name__
        facts["trace"] = "".join(traceback.format_tb(error.__traceback__))
    return facts


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or "\n" in text else text


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines())
