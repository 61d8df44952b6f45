"""Standard input, output and error as the command line has them, whatever its caller gave it."""

from __future__ import annotations

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

import click

from mien.contract.atomic import reason
from mien.contract.errors import OutputError
from mien.contract.text import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def set_up() -> None:
    """To be called once, before anything is opened or printed.

    A stream that the caller has closed is the null device; else the next file that is opened would
    have its number, and get what others print there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, errors="replace"))
        elif name == "stdout" and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout = _guarded(sys.stdout)


def _guarded(stream: TextIOWrapper) -> TextIOWrapper:
    return TextIOWrapper(
        BufferedWriter(_Output(stream.fileno(), "w", closefd=False)),
        stream.encoding,
        errors="surrogateescape",  # names of files may be no proper text
        line_buffering=stream.line_buffering,
    )


def say(line: str, *, err: bool = False) -> None:
    """Print a line for people, which may hold names and texts from elsewhere."""
    click.echo(printable(line), err=err)


class _Output(FileIO):
    """Raises `OutputError` where nothing can be written, but for a pipe that nobody reads."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            why = reason(error.errno, str(error))
            raise OutputError(f"standard output cannot be written: {why}") from error
