"""Cleans up what the attempts at a job have left for the next one, where there is no next one."""

from __future__ import annotations

import logging

from mien.contract.atomic import remove_partials
from mien.contract.errors import MienError
from mien.contract.request_json import request_from_json
from mien.jobs.record import JobRecord
from mien.jobs.roots import Roots
from workers.hls import end_playlist

_log = logging.getLogger(__name__)


def clean_up(record: JobRecord, roots: Roots) -> None:
    """Of a job that is over: mark its playlists as complete, and remove what killed attempts have
    half written.

    It must run where the files are, in a worker. An error is logged and not raised.
    """
    if not record.owns_outputs:
        return
    try:
        request = request_from_json(record.request)
        roots.check(request)
        for path in record.playlists:
            end_playlist(path)
        for path in request.files:
            remove_partials(path)
    except (MienError, ValueError) as error:  # the second: of another version
        _log.warning("files stay as they were left", extra={"job": record.id, "error": str(error)})
