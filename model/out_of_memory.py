"""Out of memory on a device: one sentence says so instead of torch's report."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mien.contract.errors import UsageError


@contextmanager
def out_of_memory_as_usage_error(device: torch.device | str, less: str) -> Iterator[None]:
    """For what takes memory on the device; `less` names what would take less of it.

    Raises:
        UsageError: there is not enough.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"there is not enough memory on {device}: others may hold it; {less} takes less, and "
            "--device cpu takes none of it"
        ) from error
