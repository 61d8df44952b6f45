"""Which images may share a batch."""

from __future__ import annotations

from collections.abc import Iterable

from mien.contract.analyses import AnalysisSettings
from mien.transport.ports import Lease


def equal_batches(leases: Iterable[Lease]) -> list[list[Lease]]:
    """Leases grouped by equal settings, in the order in which they came.

    An image that was delivered before comes last and alone: it may have killed the analyzer that
    had it, and must not take others along.
    """
    groups: dict[AnalysisSettings, list[Lease]] = {}
    suspects: list[list[Lease]] = []
    for lease in leases:
        if lease.deliveries > 1:
            suspects.append([lease])
        else:
            groups.setdefault(lease.image.settings, []).append(lease)
    return [*groups.values(), *suspects]
