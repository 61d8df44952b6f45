"""Fixtures that every test may ask for."""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

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

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real clips and photos, which is not part of the repository."""
    folder = Path(os.environ.get("MIEN_TEST_MEDIA", REPOSITORY / "../shared/media")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no test media at {folder}; set MIEN_TEST_MEDIA")
    return folder


MACHINES = (
    "CUDA", "GPU", "root", "webcam", "vivid", "GStreamer", "media", "kubectl", "disk", "mallopt",
    "oneDNN",
)  # fmt: skip
"""What a machine may be without. With MIEN_TEST_STRICT every other skip is a failure: it tells of a
tool that should be there."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return strictly((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return strictly((yield))


def strictly(report: Report) -> Report:
    """A report of a skip, as it counts."""
    strict = bool(os.environ.get("MIEN_TEST_STRICT")) and not hasattr(report, "wasxfail")
    if strict and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if not any(word in reason for word in MACHINES):
            report.outcome, report.longrepr = "failed", reason
    return report
