"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.contract.errors import OutputError, UsageError
from mien.contract.partial import PartialFile, remove_orphans

_REASONS = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the device reports an input or output error",
}


class AtomicFile:
    """One file that is written beside its target and then renamed.

    Used for everything that a run leaves behind. It must not decide what is written, nor check it:
    that is for its user, before `commit`. A killed process leaves at most the hidden partial file,
    which the next one that writes the same target removes.

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
        with writing(path):
            self._partial = PartialFile(self._target)
        self.partial = self._partial.path
        """Where to write until `commit`: hidden, in the target's folder, with its extension."""

    def settle(self) -> None:
        """Make sure that the file is on the disk and may have its name, as `commit` needs it.

        Of several files, settle all before you commit the first.

        Raises:
            OutputError: It cannot be written, or the name was taken or the folder closed meanwhile.
        """
        with writing(self.path):
            _sync(self.partial)
            _check_rename(self._target)
            is_taken = not self._overwrite and self._target.exists()
        if is_taken:
            raise self._taken()

    def commit(self) -> None:
        """Give the file its final name; it is on the disk before it has it.

        Raises:
            OutputError: As `settle`.
        """
        try:
            self.settle()
            with writing(self.path):
                if self._overwrite:
                    self.partial.replace(self._target)
                else:
                    _move_without_replacing(self.partial, self._target)
                _sync(self._target.parent)
        except FileExistsError:
            raise self._taken() from None
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove the partial file if it is still there. Does nothing the second time.

        In a folder that was closed meanwhile it stays, for the next writer to remove.
        """
        if self._open:
            self._open = False
            with suppress(OSError):
                self.partial.unlink()
            self._partial.release()

    def _taken(self) -> OutputError:
        return OutputError(f"{self.path} appeared while it was being made, and was not overwritten")


def write_aside(path: Path, content: str | bytes, *, overwrite: bool) -> AtomicFile:
    """A small file that is written and settled, and has yet to be committed; text as UTF-8.

    Raises:
        UsageError: As `check_target`.
        OutputError: It cannot be written.
    """
    file = AtomicFile(path, overwrite)
    try:
        with writing(path):
            file.partial.write_bytes(content.encode() if isinstance(content, str) else content)
        file.settle()
    except BaseException:
        file.abort()
        raise
    return file


def write_whole(path: Path, content: str | bytes, *, overwrite: bool) -> None:
    """Write a small file, whole or not at all. Takes and raises what `write_aside` does."""
    write_aside(path, content, overwrite=overwrite).commit()


def remove_partials(path: Path) -> None:
    """Remove what killed processes have left beside `path`, for when nobody writes it any more.

    Raises:
        OutputError: It cannot be removed.
    """
    with writing(path):
        remove_orphans(path.resolve())


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse a target that could not be written in the end.

    Raises:
        UsageError: The folder is missing, or the target is there and may not be overwritten.
    """
    try:
        _check_place(path, overwrite)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error


def _check_place(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} into")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file to write")
    with suppress(FileNotFoundError):
        path.stat()  # raises where links go in a circle, which to `exists` is nothing at all
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already; give --overwrite to replace it")


def _check_rename(target: Path) -> None:
    """Raise what a rename onto the target would, as far as can be told."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _move_without_replacing(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        # a file system without hard links: reserve the name, then move onto it at once
        target.touch(exist_ok=False)
        try:
            source.replace(target)
        except BaseException:
            target.unlink()
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate the system's errors in the block into an OutputError that names `path`.

    FileExistsError passes, since only the caller knows what it means.

    Raises:
        OutputError: Anything else that the block could not write.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error.errno, str(error))}") from error


def reason(number: int | None, otherwise: str) -> str:
    """What an error number means, for people; `otherwise` where it says nothing."""
    if number in _REASONS:
        return _REASONS[number]
    if number is not None and number in errno.errorcode:
        return os.strerror(number)
    return otherwise
