"""No more threads than a container may keep busy."""

import os
from contextlib import ExitStack
from pathlib import Path

import cv2
import pytest
import torch

from mien.cores import shared_cores, shared_threads, usable_cores


@pytest.mark.parametrize(
    ("text", "most"),
    [("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", None)],
)
def test_a_containers_limit_counts(tmp_path: Path, text: str, most: int | None) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text + "\n")
    assert usable_cores(quota) == (most or len(os.sched_getaffinity(0)))


def test_without_a_limit_every_core_may_be_used(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "missing") == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text(f"{10**9} 100000\n")
    assert usable_cores(tmp_path / "cpu.max") == len(os.sched_getaffinity(0))


def test_runs_that_overlap_leave_the_threads_as_the_first_found_them() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    first, second = ExitStack(), ExitStack()
    torch.set_num_threads(3)
    cv2.setNumThreads(2)
    try:
        first.enter_context(shared_cores())
        second.enter_context(shared_cores())
        first.close()
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (shared_threads(), 1)
        second.close()
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (3, 2)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
