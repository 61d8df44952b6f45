"""Ends the HLS playlists that an attempt at a camera has left open, where there is no next one."""

from __future__ import annotations

import logging

from mien.contract.errors import MienError
from mien.contract.request_json import request_from_json
from mien.jobs.record import JobRecord
from mien.jobs.roots import Roots
from workers.hls import end_playlist

_log = logging.getLogger(__name__)


def close_playlists(record: JobRecord, roots: Roots) -> None:
    """Mark the playlists of a job as complete that is over without a last attempt to do so.

    It must run where the files are, in a worker. An error is logged and not raised.
    """
    try:
        if record.playlists:
            roots.check(request_from_json(record.request))
        for path in record.playlists:
            end_playlist(path)
    except (MienError, KeyError, TypeError, ValueError) as error:  # the last: of another version
        why = str(error) if isinstance(error, MienError) else type(error).__name__
        _log.warning("a playlist stays without an end", extra={"job": record.id, "error": why})
