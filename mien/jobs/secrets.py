"""Which addresses of a request hold a password, taken out of it and put back again."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from mien.contract.errors import UsageError
from mien.contract.requests import RunRequest
from mien.jobs.sealing import seal, unseal
from producer.addresses import parse

_SOURCE = "source"


def hide(request: RunRequest, secret: str | None) -> tuple[RunRequest, str | None]:
    """The request as it may be shown, and its secret addresses sealed; None where it has none.

    Raises:
        UsageError: there is one, and no secret to seal it with.
    """
    hidden: dict[str, str] = {}
    source = parse(request.source).name
    if _is_redacted(source, request.source):
        hidden[_SOURCE] = request.source
    outputs = list(request.outputs)
    for place, output in enumerate(outputs):
        if isinstance(output.target, str) and _is_redacted(output.name, output.target):
            hidden[str(place)] = output.target
            outputs[place] = replace(output, target=output.name)
    if not hidden:
        return request, None
    shown = replace(
        request, source=source if _SOURCE in hidden else request.source, outputs=tuple(outputs)
    )
    return shown, seal(json.dumps(hidden, separators=(",", ":")), secret)


def reveal(shown: RunRequest, sealed: str, secret: str | None) -> RunRequest:
    """The request as it was before `hide`.

    Raises:
        UsageError: there is no secret, or another one, or these are not the request's addresses.
    """
    try:
        hidden: dict[str, str] = json.loads(unseal(sealed, secret))
        source = hidden.pop(_SOURCE, shown.source)
        outputs = list(shown.outputs)
        for place, target in hidden.items():
            outputs[int(place)] = replace(outputs[int(place)], target=target)
    except (ValueError, AttributeError, IndexError):
        raise UsageError("its sealed addresses are of another version of mien") from None
    return replace(shown, source=source, outputs=tuple(outputs))


def _is_redacted(shown: str, address: str) -> bool:
    """Whether something was left out for people to read; some spellings differ all the same."""
    try:
        plain = urlunsplit(urlsplit(address))
    except ValueError:
        plain = address
    return shown not in (address, plain)
