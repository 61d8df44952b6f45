"""Whether a request is one that a job was asked for before."""

from __future__ import annotations

from dataclasses import replace

from mien.contract.request_json import request_from_json
from mien.contract.requests import RunRequest
from mien.jobs.record import JobRecord
from mien.jobs.secrets import reveal
from model.weights_file import DEFAULT_WEIGHTS


def is_asked_again(
    known: JobRecord, record: JobRecord, request: RunRequest, secret: str | None
) -> bool:
    """Whether the request of a new record is that of the known one; so too where the known one's
    version of mien leaves that unknown.

    Raises:
        UsageError: its addresses were sealed with another secret.
    """
    try:
        before = request_from_json(known.request)
    except (KeyError, TypeError, ValueError):
        return True
    if (known.sealed is None) != (record.sealed is None):
        return False
    if known.sealed is not None:
        before = reveal(before, known.sealed, secret)
    return _asked(before) == _asked(request)


def _asked(request: RunRequest) -> RunRequest:
    """The request without what says nothing here of the job: how analyzers work is not its own,
    and what may be replaced was decided as it was first asked for.
    """
    weights = request.analysis.weights
    named = DEFAULT_WEIGHTS if weights == "default" else weights
    outputs = tuple(replace(output, overwrite=False) for output in request.outputs)
    return replace(
        request, analysis=replace(request.analysis, weights=named), outputs=outputs,
        device="auto", batch=1, overwrite=False,
    )  # fmt: skip
