"""Notices that a job's file was replaced between two attempts, which then share no analyses."""

from __future__ import annotations

import hashlib

from mien.jobs.record import JobRecord
from producer.addresses import local_path


def source_mark(source: str) -> str | None:
    """Of a local file: other bytes under the same name have another; None for what is no file."""
    path = local_path(source)
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    told = f"{status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def stream_name(record: JobRecord, mark: str | None) -> str:
    """Under which an attempt's analyses lie: the job's id, but for a file that is another now."""
    if mark is None or record.source_mark in (None, mark):
        return record.id
    return f"{record.id}-{mark}"
