"""Says whether two attempts at a job read the same pictures: only then they share analyses."""

from __future__ import annotations

import hashlib

from producer.addresses import local_path


def source_mark(source: str, attempt: int) -> str:
    """Equal for attempts that read the same pictures.

    Of a local file: other bytes under the same name have another one. What a server sends under an
    address may be replaced unseen, so that there every attempt has one of its own.
    """
    told = f"attempt {attempt}"
    path = local_path(source)
    if path is not None:
        try:
            status = path.stat()
        except OSError:
            pass  # gone since it was opened: nobody can say what comes next
        else:
            told = f"{status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
