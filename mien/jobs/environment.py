"""The environment variables of jobs and their workers, each named once.

A work horse is told its job by id alone: where the server is, the secret and the folders are its
worker's own, and every worker may have others.
"""

from __future__ import annotations

REDIS_URL = "MIEN_REDIS_URL"
SECRET = "MIEN_SECRET"  # noqa: S105 - the name of the variable
INPUT_ROOT, OUTPUT_ROOT = "MIEN_INPUT_ROOT", "MIEN_OUTPUT_ROOT"
WIRE = "MIEN_WIRE"
CHANNEL = "MIEN_CHANNEL"
"""File descriptor that a work horse inherits (`mien.jobs.channel`); set by its worker alone."""

DEFAULT_URL = "redis://localhost:6379/0"
"""Where the server is, unless somebody says otherwise."""
