"""Whether a submission repeats that of an existing job, so that it is safe to submit twice."""

from __future__ import annotations

from dataclasses import replace

from mien.contract.errors import UsageError
from mien.contract.request_json import request_from_json
from mien.contract.requests import RunRequest
from mien.jobs.record import JobRecord
from mien.jobs.secrets import reveal
from model.weights_file import DEFAULT_WEIGHTS


def is_same_request(
    known: JobRecord, record: JobRecord, request: RunRequest, secret: str | None
) -> bool:
    """Whether the new record asks for the same as the known one; True where the known one is of
    another version of mien, and cannot be compared.

    Raises:
        UsageError: its addresses were sealed with another secret.
    """
    try:
        before = request_from_json(known.request)
    except (UsageError, ValueError):
        return True
    if (known.sealed is None) != (record.sealed is None):
        return False
    if known.sealed is not None:
        before = reveal(before, known.sealed, secret)
    return _normalized(before) == _normalized(request)


def _normalized(request: RunRequest) -> RunRequest:
    """The request without what does not count: device and batch are the analyzers' own, and what
    may be overwritten was decided at the first submission.
    """
    weights = request.analysis.weights
    named = DEFAULT_WEIGHTS if weights == "default" else weights
    outputs = tuple(replace(output, overwrite=False) for output in request.outputs)
    return replace(
        request, analysis=replace(request.analysis, weights=named), outputs=outputs,
        device="auto", batch=1, overwrite=False,
    )  # fmt: skip
