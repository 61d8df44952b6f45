"""Fixtures that every test may ask for."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("mien", deadline=None)  # no test asserts a speed
settings.load_profile("mien")

# Tests start hundreds of processes, each of which would compile mien and its packages anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A runner in the background is deaf to Ctrl-C, and so would be every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A developer's own settings would reach every process that a test starts.
for name in [name for name in os.environ if name.startswith("MIEN_")]:
    if not name.startswith(("MIEN_TEST_", "MIEN_FUZZ_")):
        del os.environ[name]

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real clips and photos, which is not part of the repository."""
    folder = Path(os.environ.get("MIEN_TEST_MEDIA", REPOSITORY / "../shared/media")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no test media at {folder}; set MIEN_TEST_MEDIA")
    return folder
