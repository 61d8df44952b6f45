"""Identity over time: the same face keeps its number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.analyses import Floats
from workers.tracking import Tracker, iou

STEP_NS = 100_000_000


def box(x: float, y: float, size: float = 100) -> list[float]:
    return [x, y, x + size, y + size]


def boxes(*rows: list[float]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_two_faces_that_walk_past_each_other_keep_their_numbers() -> None:
    tracker = Tracker()
    for step in range(30):
        left, right = box(20 * step, 0), box(600 - 20 * step, 130)
        order = [left, right] if step % 2 == 0 else [right, left]
        tracks = tracker.update(boxes(*order), step * STEP_NS)
        assert tracks == ([1, 2] if step % 2 == 0 else [2, 1])


def test_a_face_that_is_missed_for_a_moment_keeps_its_number() -> None:
    tracker = Tracker()
    assert tracker.update(boxes(box(0, 0)), 0) == [1]
    for step in range(1, 6):
        assert tracker.update(boxes(), step * STEP_NS) == []
    assert tracker.update(boxes(box(5, 5)), 6 * STEP_NS) == [1]


def test_a_face_keeps_its_number_however_far_the_analyses_lie_apart() -> None:
    tracker = Tracker()
    for step in range(4):
        assert tracker.update(boxes(box(0, 0)), step * 50 * STEP_NS) == [1]


def test_a_face_that_was_away_for_long_is_a_new_one() -> None:
    tracker = Tracker()
    assert tracker.update(boxes(box(0, 0)), 0) == [1]
    for step in range(1, 20):
        assert tracker.update(boxes(), step * STEP_NS) == []
    assert tracker.update(boxes(box(0, 0)), 20 * STEP_NS) == [2]


def test_a_face_that_jumps_by_more_than_its_size_keeps_its_number() -> None:
    tracker = Tracker()
    assert tracker.update(boxes(box(0, 0, 40)), 0) == [1]
    assert tracker.update(boxes(box(0, 50, 44)), STEP_NS) == [1]


def test_a_face_elsewhere_is_another_face() -> None:
    tracker = Tracker()
    assert tracker.update(boxes(box(0, 0, 40)), 0) == [1]
    assert tracker.update(boxes(box(400, 300, 40)), STEP_NS) == [2]


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900), st.floats(20, 300)), max_size=6),
        max_size=8,
    )
)
def test_no_two_faces_of_a_frame_share_a_number(
    frames: list[list[tuple[float, float, float]]],
) -> None:
    tracker = Tracker()
    for step, faces in enumerate(frames):
        tracks = tracker.update(boxes(*(box(*face) for face in faces)), step * STEP_NS)
        assert len(tracks) == len(faces) == len(set(tracks))


def test_intersection_over_union_is_what_its_name_says() -> None:
    found = iou(boxes(box(0, 0), box(50, 0)), boxes(box(0, 0), box(200, 200)))
    assert np.allclose(found, [[1, 0], [1 / 3, 0]])
