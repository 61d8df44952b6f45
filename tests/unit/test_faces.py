"""What a frame shows of the faces of the analyses around it."""

import numpy as np
import pytest

from mien.contract.analyses import FrameAnalysis
from mien.contract.geometry import AnalysisGeometry, plan_analysis
from mien.contract.outputs import DrawnFace
from workers.faces import FaceHistory, FaceSnapshot, drawn_at
from workers.summary import Summary

STEP_NS = 100_000_000
GEOMETRY = AnalysisGeometry(640, 360, 640, 360, 24.0)


def analysis(*rows: list[float], expression: int = 3) -> FrameAnalysis:
    probabilities = np.full((len(rows), 7), 0.02, np.float32)
    probabilities[:, expression] = 0.88
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    return FrameAnalysis(boxes, np.full(len(rows), 0.99, np.float32), probabilities, "")


def snapshots(*analyses: FrameAnalysis) -> list[FaceSnapshot]:
    history = FaceHistory(GEOMETRY, 0.5)
    return [history.add(i, i * STEP_NS, a) for i, a in enumerate(analyses)]


def test_between_two_analyses_the_box_is_interpolated() -> None:
    before, after = snapshots(analysis([100, 50, 200, 150]), analysis([120, 70, 240, 190]))
    (face,) = drawn_at(before, after, STEP_NS // 4)
    between = before.found[0].place * 3 / 4 + after.found[0].place / 4
    assert np.allclose(face.box, between, atol=0.01)
    assert np.allclose(face.box, (105, 55, 210, 160), atol=2)
    assert face.label == "happy"


def test_a_still_face_has_a_calm_box() -> None:
    random = np.random.default_rng(0)
    found = [np.array([100, 50, 200, 150]) + random.normal(0, 2, 4) for _ in range(60)]
    shots = snapshots(*(analysis(list(box)) for box in found))
    drawn = np.array([drawn_at(shot, None, shot.time_ns)[0].box for shot in shots])
    steps, raw = np.abs(np.diff(drawn, axis=0)), np.abs(np.diff(np.array(found), axis=0))
    assert steps[10:].mean() < raw[10:].mean() / 2


def test_a_box_does_not_trail_behind_a_moving_face() -> None:
    for step in (20.0, -60.0):
        x = 300 if step > 0 else 1500
        rows = [[x + step * i, 50, x + 100 + step * i, 150] for i in range(16)]
        wide = FaceHistory(AnalysisGeometry(1920, 1080, 1920, 1080, 24.0), 0.5)
        shots = [wide.add(i, i * STEP_NS, analysis(row)) for i, row in enumerate(rows)]
        for shot, row in list(zip(shots, rows, strict=True))[3:]:
            (face,) = drawn_at(shot, None, shot.time_ns)
            assert np.abs(np.subtract(face.box, row)).max() < 8


def test_a_moving_face_that_is_missed_is_drawn_where_it_should_be_by_now() -> None:
    rows = [[100.0 + 30 * i, 50, 160 + 30 * i, 110] for i in range(8)]
    *_, missed, still = snapshots(*(analysis(row) for row in rows), analysis(), analysis())
    for shot, x in ((missed, 340), (still, 370)):
        (face,) = drawn_at(shot, None, shot.time_ns)
        assert np.allclose(face.box, (x, 50, x + 60, 110), atol=12)


def test_a_moving_face_that_is_missed_at_the_edge_has_left() -> None:
    rows = [[300.0 + 60 * i, 50, 360 + 60 * i, 110] for i in range(5)]
    *_, missed = snapshots(*(analysis(row) for row in rows), analysis())
    assert drawn_at(missed, None, missed.time_ns) == []


def test_where_faces_are_hidden_a_missed_one_is_covered_wherever_it_may_be() -> None:
    rows = [[100.0 + 30 * i, 50, 160 + 30 * i, 110] for i in range(8)]
    *_, missed = snapshots(*(analysis(row) for row in rows), analysis())
    (face,) = drawn_at(missed, None, missed.time_ns, cautious=True)
    assert face.box[0] <= 310
    assert face.box[2] >= 388


def test_no_box_is_left_over_from_the_shot_before_a_cut() -> None:
    still, cut_ns = [100.0, 50.0, 200.0, 150.0], STEP_NS * 5 // 4
    _, last, gone, still_gone = snapshots(
        analysis(still), analysis(still), analysis(), analysis([400, 100, 500, 200])
    )
    assert len(drawn_at(last, gone, STEP_NS * 6 // 5)) == 1
    assert drawn_at(last, gone, cut_ns, cut_ns=cut_ns) == []
    assert drawn_at(gone, still_gone, gone.time_ns, cut_ns=cut_ns) == []
    assert len(drawn_at(last, gone, cut_ns, cautious=True, cut_ns=cut_ns)) == 1, "safe is safe"


def test_what_only_looked_like_a_cut_makes_no_face_blink() -> None:
    before, after = snapshots(analysis([100, 50, 200, 150]), analysis([140, 50, 240, 150]))
    (face,) = drawn_at(before, after, STEP_NS // 2, cut_ns=STEP_NS // 2)
    assert np.array_equal(face.box, after.found[0].place)


def test_where_faces_are_hidden_one_that_turns_away_for_a_moment_stays_covered() -> None:
    still = [100.0, 50.0, 200.0, 150.0]
    away = [analysis()] * 8
    shots = snapshots(analysis(still), analysis(still), *away, analysis(still))
    assert shots[-1].found[0].track == shots[0].found[0].track
    for shot in shots:
        (face,) = drawn_at(shot, None, shot.time_ns, cautious=True)
        assert face.box[0] <= 100
        assert face.box[2] >= 200
    assert drawn_at(shots[6], None, shots[6].time_ns) == []


def test_where_faces_are_hidden_one_that_is_seldom_found_stays_covered() -> None:
    still = [100.0, 50.0, 200.0, 150.0]
    shots = snapshots(analysis(still), *[analysis()] * 4, analysis(still), analysis())
    for shot in shots:
        assert len(drawn_at(shot, None, shot.time_ns, cautious=True)) == 1


def test_what_is_covered_for_a_missed_face_does_not_grow_for_ever() -> None:
    rows = [[100.0 + 20 * i, 50, 160 + 20 * i, 110] for i in range(8)]
    *_, last = snapshots(*(analysis(row) for row in rows), *[analysis()] * 9)
    (face,) = drawn_at(last, None, last.time_ns, cautious=True)
    assert face.box[2] - face.box[0] < 140


def test_where_faces_are_hidden_one_that_walked_out_of_the_picture_is_let_go() -> None:
    rows = [[300.0 + 60 * i, 50, 360 + 60 * i, 110] for i in range(5)]
    shots = snapshots(*(analysis(row) for row in rows), *[analysis()] * 6)
    assert len(drawn_at(shots[5], None, shots[5].time_ns, cautious=True)) == 1
    assert drawn_at(shots[-1], None, shots[-1].time_ns, cautious=True) == []


def test_hidden_faces_do_not_follow_into_the_next_shot_for_long() -> None:
    still = [100.0, 50.0, 200.0, 150.0]
    shots = snapshots(analysis(still), analysis(still), *[analysis()] * 6)
    last = shots[-1]
    assert len(drawn_at(last, None, last.time_ns, cautious=True)) == 1
    assert drawn_at(last, None, last.time_ns, cautious=True, cut_ns=2 * STEP_NS) == []


def covers(drawn: list[DrawnFace], box: list[float]) -> bool:
    return any(
        face.box[0] <= box[0] and face.box[1] <= box[1]
        and face.box[2] >= box[2] and face.box[3] >= box[3]
        for face in drawn
    )  # fmt: skip


@pytest.mark.parametrize("noticed", [True, False])
def test_where_faces_are_hidden_a_track_across_a_cut_covers_the_faces_of_both_shots(
    noticed: bool,
) -> None:
    old, new, cut_ns = [160.0, 50.0, 260.0, 150.0], [240.0, 50.0, 340.0, 150.0], STEP_NS // 2
    before, after = snapshots(analysis(old), analysis(new))
    assert before.found[0].track == after.found[0].track
    for time_ns in range(0, STEP_NS, STEP_NS // 10):
        known_ns = cut_ns if noticed and time_ns >= cut_ns else 0
        drawn = drawn_at(before, after, time_ns, cautious=True, cut_ns=known_ns)
        assert covers(drawn, old if time_ns < cut_ns else new)


def test_where_faces_are_hidden_the_new_shots_face_is_covered_however_late_it_is_analysed() -> None:
    history, old, new = FaceHistory(GEOMETRY, 0.5), [100.0, 50, 200, 150], [150.0, 50, 250, 150]
    before, after = (history.add(i, i * 10**9, analysis(row)) for i, row in enumerate((old, new)))
    assert before.found[0].track == after.found[0].track
    for time_ns in range(STEP_NS, 10**9, STEP_NS):
        drawn = drawn_at(before, after, time_ns, cautious=True, cut_ns=STEP_NS)
        assert covers(drawn, new)
    assert not covers(drawn, old)


def test_where_faces_are_hidden_a_new_shots_face_is_covered_in_the_track_of_a_missed_one() -> None:
    old, new = [100.0, 50.0, 200.0, 150.0], [150.0, 50.0, 250.0, 150.0]
    *_, missed, found = snapshots(analysis(old), *[analysis()] * 5, analysis(new))
    assert found.found[0].track == missed.doubtful[0].track
    time_ns = missed.time_ns + STEP_NS // 2
    assert covers(drawn_at(missed, found, time_ns, cautious=True, cut_ns=time_ns), new)


def test_results_have_the_detectors_own_boxes() -> None:
    shots = snapshots(analysis([100, 50, 200, 150]), analysis([103, 50, 203, 152]))
    assert shots[1].found[0].box.tolist() == [103, 50, 203, 152]


def test_the_number_on_a_label_does_not_count() -> None:
    history = FaceHistory(GEOMETRY, 0.5)
    random = np.random.default_rng(0)
    told = []
    for step in range(100):
        row = analysis([100, 50, 200, 150])
        row.probabilities[0, 3] = 0.7 + random.normal(0, 0.05)
        shot = history.add(step, step * STEP_NS, row)
        told.append(drawn_at(shot, None, shot.time_ns)[0].probability)
    assert len(set(told)) < 10
    assert abs(told[-1] - 0.7) < 0.1


def test_a_face_that_appears_is_not_drawn_before_it_was_seen() -> None:
    before, after = snapshots(analysis(), analysis([120, 70, 240, 190]))
    assert drawn_at(before, after, STEP_NS // 2) == []
    assert len(drawn_at(after, None, STEP_NS)) == 1


def test_a_face_that_is_missed_once_does_not_blink() -> None:
    still = [100.0, 50.0, 200.0, 150.0]
    _, one, missed, again = snapshots(analysis(still), analysis(still), analysis(), analysis(still))
    assert missed.found == ()
    assert len(drawn_at(one, missed, STEP_NS * 7 // 4)) == 1
    assert len(drawn_at(missed, again, 2 * STEP_NS)) == 1
    assert again.found[0].track == one.found[0].track


def test_what_is_found_for_one_moment_only_is_in_the_numbers_but_not_in_the_picture() -> None:
    flash, after = snapshots(analysis([100, 50, 200, 150]), analysis())
    assert len(flash.found) == 1
    assert drawn_at(flash, after, 0) == []
    assert drawn_at(flash, after, STEP_NS // 4) == []
    assert drawn_at(after, None, STEP_NS) == []


def test_where_faces_are_hidden_whatever_may_be_one_is_covered_all_the_way() -> None:
    none, flash, gone = snapshots(analysis(), analysis([100, 50, 200, 150]), analysis())
    assert len(drawn_at(none, flash, STEP_NS // 4, cautious=True)) == 1
    assert len(drawn_at(flash, gone, STEP_NS, cautious=True)) == 1
    assert len(drawn_at(flash, gone, STEP_NS * 19 // 10, cautious=True)) == 1


def test_hidden_faces_stay_hidden_where_every_frame_is_analysed() -> None:
    edge = [0.0, 50.0, 90.0, 150.0]
    new = [300.0, 50.0, 390.0, 150.0]
    seen, missed, later = snapshots(analysis(edge), analysis(), analysis(new))
    assert len(drawn_at(seen, missed, seen.time_ns, cautious=True)) == 1
    covered = drawn_at(missed, later, missed.time_ns, cautious=True)
    assert sorted(face.box[0] for face in covered) == [0, 300]  # the old one and the coming one
    assert drawn_at(missed, later, missed.time_ns) == []


def test_a_face_that_left_through_the_edge_is_not_kept() -> None:
    _, gone = snapshots(analysis([0, 50, 90, 150]), analysis())
    assert drawn_at(gone, None, STEP_NS) == []


def test_a_face_that_is_gone_is_soon_not_drawn_any_more() -> None:
    *_, last = snapshots(analysis([100, 50, 200, 150]), analysis(), analysis(), analysis())
    assert drawn_at(last, None, last.time_ns) == []


def test_boxes_are_told_in_source_pixels_and_clipped_to_the_picture() -> None:
    history = FaceHistory(AnalysisGeometry(1920, 1080, 1280, 720, 28.8), 0.5)
    (face,) = history.add(0, 0, analysis([-10, 100, 200, 300])).found
    assert face.box.tolist() == [0, 150, 300, 450]


def test_the_summary_adds_up_to_the_time_that_a_face_was_there() -> None:
    summary = Summary()
    still = [100.0, 50.0, 200.0, 150.0]
    for snapshot in snapshots(analysis(still), analysis(still), analysis()):
        summary.add(snapshot)
    summary.finish(3 * STEP_NS)
    (track,) = summary.tracks.values()
    assert dict(track.shown_ns) == {"happy": 2 * STEP_NS}
    assert track.as_dict()["shown_s"] == {"happy": 0.2}


def test_a_summary_that_is_full_lets_go_of_the_face_not_seen_for_longest() -> None:
    summary = Summary(most_tracks=2)
    stays, *passing = ([float(x), 50.0, x + 60.0, 110.0] for x in (0, 150, 300, 450))
    history = FaceHistory(GEOMETRY, 0.5)
    for number, box in enumerate(passing):
        for time_ns in (2 * number * 10**9, (2 * number + 1) * 10**9):
            summary.add(history.add(number, time_ns, analysis(stays, box)))
        for away_ns in range(100_000_000, 400_000_000, 100_000_000):
            summary.add(history.add(number, time_ns + away_ns, analysis()))
    summary.finish(6 * 10**9)
    assert sorted(summary.tracks) == [1, 4]
    assert summary.tracks[1].first_ns == 0


def test_the_analysis_image_is_never_larger_than_the_source() -> None:
    assert plan_analysis(640, 360, analyze_size_px=1280, min_face_px=None) == GEOMETRY


def test_a_large_source_is_analysed_at_the_size_asked_for() -> None:
    plan = plan_analysis(1920, 1080, analyze_size_px=1280, min_face_px=None)
    assert (plan.width, plan.height) == (1280, 720)
    assert np.isclose(plan.min_face_px, 0.04 * 1080 * 1280 / 1920)


def test_the_smallest_face_asked_for_keeps_24_pixels() -> None:
    plan = plan_analysis(3840, 2160, analyze_size_px=640, min_face_px=48)
    assert (plan.width, plan.height) == (1920, 1080)
    assert plan.min_face_px == 24
