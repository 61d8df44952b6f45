"""Takes from a process of root what root may do in spite of permissions."""

import ctypes
import os
import sys

import pytest

needs_prctl = pytest.mark.skipif(
    sys.platform != "linux", reason="root loses its rights by Linux's prctl"
)


def without_root_rights() -> None:
    """Let permissions count for root, too: drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
