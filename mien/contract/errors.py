"""One tree of errors; a family is what the caller can do about it, and has its exit code.

MienError                 1  our bug
├── UsageError            2  give another option or another name
├── SourceError           3  give another input: missing, unreadable, too large, without a picture
├── WeightsError          4  give other weights: missing, damaged, foreign
├── TransportError        5  start or reach the server
├── OutputError           6  make room or give another place for the output
├── JobError              7  the job was cancelled or given up
└── Interrupted         130  the user stopped it

`Closed` stands outside the tree: it ends the waiting of a stage, and no user ever sees it.

Errors of other libraries are translated where they come in, so that nobody above has to know them.
The text of an error is one sentence for the person at the command line.
"""

from collections.abc import Iterable
from math import inf
from numbers import Real
from typing import Any

UNREAD = 141
"""The exit code where nobody reads what is printed: a shell's for a program ended by SIGPIPE."""


class MienError(Exception):
    """The root; its text is one clear sentence."""

    exit_code = 1


class UsageError(MienError):
    """An option or a name is wrong."""

    exit_code = 2


class SourceError(MienError):
    """The input is missing, unreadable, forbidden, too large, not a file or holds no picture."""

    exit_code = 3


class WeightsError(MienError):
    """Weights are missing, damaged or not ours."""

    exit_code = 4


class TransportError(MienError):
    """The transport is down."""

    exit_code = 5


class OutputError(MienError):
    """The output cannot be written."""

    exit_code = 6


class JobError(MienError):
    """The job was cancelled or given up."""

    exit_code = 7


class Interrupted(MienError):  # noqa: N818 - what happened, not an error of anybody
    """The user stopped the run."""

    exit_code = 130


class Closed(Exception):  # noqa: N818 - the end of work, not a mishap
    """Transport or frame window were closed, by the run's end or by another stage's failure."""


def unknown_choice(name: str, given: object, known: Iterable[str]) -> UsageError:
    """What to raise where the value given for `name` is not one of those that are known."""
    return UsageError(f"{name} is one of {', '.join(known)}, not {given!r}")


def check_range(name: str, given: Any, least: float, most: float = inf) -> None:
    """Refuse what was given for `name` unless it is a number from `least` to `most`.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(given, Real):  # numpy's numbers are real ones, too
        raise UsageError(f"{name} is a number, not {given!r}")
    if given < least or not given <= most:  # NaN is neither
        limits = f"at least {least}" if most == inf else f"{least} to {most}"
        raise UsageError(f"{name} is {limits}, not {given}")
