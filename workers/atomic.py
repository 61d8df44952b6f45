"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from mien.contract.errors import OutputError, UsageError
from workers.write_errors import writing

_LONGEST_STEM_BYTES = 180
"""File names end at 255 bytes; the rest is for the pid, the token and the extension."""


class AtomicFile:
    """One file that is written beside its target and then renamed.

    Used for everything that a run leaves behind. It must not decide what is written, nor check it:
    that is for its user, before `commit`. A killed process leaves at most the hidden partial file.

    Raises:
        UsageError: The folder is missing, or the target is there and may not be overwritten.
        OutputError: The folder does not let us write.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        check_target(path, overwrite)
        self.path = path
        self._target = path.resolve()
        self._overwrite = overwrite
        self._open = True
        self.partial = _partial_name(self._target)
        """Where to write until `commit`: hidden, in the target's folder, with its extension."""
        with writing(path):
            self.partial.touch(exist_ok=False)

    def commit(self) -> None:
        """Give the file its final name; it is on the disk before it has it.

        Raises:
            OutputError: It cannot be written, or another file took the name meanwhile.
        """
        try:
            with writing(self.path):
                _sync(self.partial)
                if self._overwrite:
                    self.partial.replace(self._target)
                else:
                    _move_without_replacing(self.partial, self._target)
                _sync(self._target.parent)
        except FileExistsError:
            raise OutputError(
                f"{self.path} appeared while it was being made, and was not overwritten"
            ) from None
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove the partial file if it is still there. Does nothing the second time."""
        if self._open:
            self._open = False
            self.partial.unlink(missing_ok=True)


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse a target that could not be written in the end.

    Raises:
        UsageError: The folder is missing, or the target is there and may not be overwritten.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} into")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file to write")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already; give --overwrite to replace it")


def _partial_name(target: Path) -> Path:
    stem = target.stem.encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore")
    token = secrets.token_hex(3)  # one process may write the same name twice
    return target.with_name(f".{stem}.{os.getpid()}-{token}.partial{target.suffix}")


def _move_without_replacing(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        # a file system without hard links: reserve the name, then move onto it
        target.touch(exist_ok=False)
        source.replace(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
