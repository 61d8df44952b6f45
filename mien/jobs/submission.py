"""Checks and completes a request on the submitter's side, before it reaches the queue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.contract.errors import UsageError
from mien.contract.frames import SourceKind
from mien.contract.requests import RunRequest
from mien.preflight import check_request, comes_with_mien, describe_weights
from producer.addresses import SCHEME, AddressKind, local_path, parse
from producer.localfile import check_file
from workers.outputs import check_outputs
from workers.photo_sink import PHOTO_FORMATS


def absolute(request: RunRequest) -> RunRequest:
    """The request with every path made absolute in the caller's folder."""
    path = local_path(request.source)
    weights = request.analysis.weights
    return replace(
        request,
        source=request.source if path is None or SCHEME.match(request.source) else str(path),
        analysis=replace(request.analysis, weights=_weights(weights)),
        outputs=tuple(
            replace(output, target=output.path.absolute()) if output.is_file else output
            for output in request.outputs
        ),
        results=request.results and request.results.absolute(),
        report=request.report and request.report.absolute(),
    )


def check_submission(request: RunRequest) -> None:
    """Refuse at once what a worker would refuse.

    Raises:
        SourceError: the source cannot be read, or its name means nothing.
        UsageError: see `check_request`; or no source of such a name can be written as asked.
        WeightsError: the weights are missing or damaged.
    """
    address = parse(request.source)
    if request.attached:
        if address.kind == "file":
            raise UsageError(f"{address.name} is a file and no camera: `mien submit` takes it")
    elif address.kind == "file":
        check_file(address.path, address.name)
    check_request(request)
    _check_outputs(request, address.kind)
    describe_weights(request.analysis.weights)


def _check_outputs(request: RunRequest, kind: AddressKind) -> None:
    """Refuse outputs that fit no kind of source that this name may turn out to be.

    Whether a file is a video or a photo is seen where it is read: so a photo is not refused here
    for a video. Raises `UsageError`, in the words for what is likeliest.
    """
    kinds: list[SourceKind] = ["video", "photo", "live"]
    if request.attached or kind == "camera":
        kinds = ["live"]
    elif kind == "file":
        kinds.remove("live")
    if Path(request.source).suffix.lower() in PHOTO_FORMATS:
        kinds.sort(key=lambda one: one != "photo")
    refusals = []
    for one in kinds:
        try:
            return check_outputs(request.outputs, one)
        except UsageError as error:
            refusals.append(error)
    raise refusals[0]


def _weights(name: str) -> str:
    """A name of weights that come with mien stays a name, which every worker knows."""
    return name if comes_with_mien(name) else str(Path(name).absolute())
