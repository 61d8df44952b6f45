"""No more threads than a container may keep busy."""

import os
import threading
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
    torch.set_num_threads(3)
    cv2.setNumThreads(2)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    found: dict[str, tuple[int, int]] = {}

    def first() -> None:
        with shared_cores():
            first_is_in.set()
            second_is_in.wait(10)
        found["first"] = torch.get_num_threads(), cv2.getNumThreads()
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(10)
        with shared_cores():
            found["within"] = torch.get_num_threads(), cv2.getNumThreads()
            second_is_in.set()
            first_is_out.wait(10)
        found["second"] = torch.get_num_threads(), cv2.getNumThreads()

    try:
        threads = [threading.Thread(target=run) for run in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        one = shared_threads()
        assert found == {"within": (one, 1), "first": (3, 1), "second": (3, 2)}
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
