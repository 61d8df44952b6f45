"""Partial files: hidden names beside a target, held by a lock as long as their process lives.

A process that is killed leaves its partial file behind. The next one that writes the same target
removes it, since the kernel has released the lock.
"""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
from pathlib import Path

_LONGEST_STEM_BYTES = 180
"""File names end at 255 bytes; the rest is for the pid, the token and the extension."""


_TOKEN_BYTES = 3


class PartialFile:
    """An empty file to write what will be `target`; raises `OSError`."""

    def __init__(self, target: Path) -> None:
        self._before, self._after = _name_parts(target)
        remove_orphans(target)
        while True:
            # one process may write the same name twice
            name = f"{self._before}{os.getpid()}-{secrets.token_hex(_TOKEN_BYTES)}{self._after}"
            self.path = target.with_name(name)
            self._held = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
            _lock(self._held, wait=True)
            if _is_at(self._held, self.path):
                return
            os.close(self._held)  # it was taken for an orphan before we had the lock

    def release(self) -> None:
        """Let go of the lock; the file stays where it is."""
        os.close(self._held)


def remove_orphans(target: Path) -> None:
    """Remove the partial files of `target` whose processes are dead; raises `OSError`."""
    before, after = _name_parts(target)
    pattern = f"{glob.escape(before)}[0-9]*-{'[0-9a-f]' * 2 * _TOKEN_BYTES}{glob.escape(after)}"
    for path in target.parent.glob(pattern):
        try:
            held = os.open(path, os.O_RDWR)
        except OSError:
            continue  # gone meanwhile, or another user's
        try:
            if _lock(held, wait=False) and _is_at(held, path):
                path.unlink(missing_ok=True)
        finally:
            os.close(held)


def _name_parts(target: Path) -> tuple[str, str]:
    stem = target.stem
    while len(os.fsencode(stem)) > _LONGEST_STEM_BYTES:
        stem = stem[:-1]
    return f".{stem}.", f".partial{target.suffix}"


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Whether the lock is ours now; a file system without locks gives none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
