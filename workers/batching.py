"""Which images may share a batch."""

from __future__ import annotations

from collections.abc import Iterable

from mien.contract.analyses import AnalysisSettings
from mien.transport.ports import Lease


def equal_batches(leases: Iterable[Lease]) -> list[list[Lease]]:
    """Leases grouped by equal settings, in the order in which they came."""
    groups: dict[AnalysisSettings, list[Lease]] = {}
    for lease in leases:
        groups.setdefault(lease.image.settings, []).append(lease)
    return list(groups.values())
