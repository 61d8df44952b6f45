"""What is drawn on pictures, looked at sample by sample."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.expressions import EXPRESSIONS
from mien.contract.outputs import Box, DrawnFace
from mien.contract.pictures import Colour, Picture
from workers.annotation import Annotator
from workers.labels import chip_size
from workers.palette import Look, colour_of, ink_on
from workers.placement import place


def grey_i420(width: int, height: int, level: int = 110, colour: Colour | None = None) -> Picture:
    data = np.full((height * 3 // 2, width), 128, np.uint8)
    data[:height] = level
    return Picture(data, width, height, colour or Colour(1, 1, 1))


def grey_rgb(width: int, height: int, level: int = 110) -> Picture:
    return Picture(np.full((height, width, 3), level, np.uint8), width, height, Colour())


def face(box: Box, expression: str = "happy", probability: float = 0.93) -> DrawnFace:
    return DrawnFace(1, box, EXPRESSIONS.index(expression), probability)


def to_rgb(look: Look, y: float, u: float, v: float) -> tuple[float, float, float]:
    """BT.709 back to RGB, written down independently of the code under test."""
    assert look.matrix == 1
    if not look.full_range:
        y, u, v = (y - 16) * 255 / 219, (u - 128) * 255 / 224, (v - 128) * 255 / 224
    else:
        u, v = u - 128, v - 128
    return y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u


@pytest.mark.parametrize(
    ("matrix", "share"),
    [(1, 0.2126), (2, 0.299), (4, 0.30), (5, 0.299), (6, 0.299), (7, 0.212), (9, 0.2627),
     (10, 0.2627)],
)  # fmt: skip
def test_a_colour_becomes_the_luma_that_the_matrix_gives_it(matrix: int, share: float) -> None:
    red, opaque = np.array([[[255, 0, 0]]], np.float32), np.ones((1, 1), np.float32)
    luma, _, _ = Look("i420", matrix, full_range=True).samples(red, opaque)
    assert float(luma[0, 0]) == pytest.approx(255 * share, abs=0.01)


def test_no_face_changes_nothing() -> None:
    picture = grey_i420(64, 48)
    before = picture.data.copy()
    Annotator(blur=False).draw(picture, [])
    Annotator(blur=True).draw(picture, [])
    assert np.array_equal(picture.data, before)


def test_samples_far_from_a_face_stay_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    picture = grey_i420(640, 360)
    picture.data[:] = rng.integers(0, 256, picture.data.shape, np.uint8)
    before = picture.planes()[0].copy()
    Annotator(blur=False).draw(picture, [face((300, 150, 380, 240))])
    after = picture.planes()[0]
    changed = np.argwhere(before != after)
    assert changed[:, 0].min() > 100
    assert changed[:, 0].max() < 260
    assert changed[:, 1].min() > 280
    assert changed[:, 1].max() < 420
    middle = np.s_[170:220, 315:365]
    assert np.array_equal(before[middle], after[middle]), "the face itself is not painted over"


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_label_has_the_colour_of_its_expression(expression: str, full_range: bool) -> None:
    picture = grey_i420(1920, 1080, colour=Colour(1, 1, 1, full_range))
    Annotator(blur=False).draw(picture, [face((800, 400, 1100, 700), expression)])
    luma, cb, cr = picture.planes()
    # just inside of the chip's left edge, where no letter is
    y, u, v = (
        float(plane[at]) for plane, at in ((luma, (380, 806)), (cb, (190, 403)), (cr, (190, 403)))
    )
    got = to_rgb(Look.of(picture), y, u, v)
    wanted = colour_of(EXPRESSIONS.index(expression))
    assert max(abs(a - b) for a, b in zip(got, wanted, strict=True)) < 14


def test_photos_get_the_same_colours() -> None:
    picture = grey_rgb(1920, 1080)
    Annotator(blur=False).draw(picture, [face((800, 400, 1100, 700), "sad")])
    got = picture.data[380, 806].astype(int)
    assert np.abs(got - np.array(colour_of(EXPRESSIONS.index("sad")))).max() < 14


def test_all_expressions_have_colours_that_differ_in_grey_or_hue() -> None:
    colours = np.array([colour_of(number) for number in range(len(EXPRESSIONS))], float)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert distances[~np.eye(len(colours), dtype=bool)].min() > 75


def test_ink_contrasts_with_its_patch() -> None:
    assert ink_on((240, 228, 66)) == (0, 0, 0)
    assert ink_on((0, 114, 178)) == (255, 255, 255)


@pytest.mark.parametrize("level", [20, 128, 230])
def test_the_frame_shows_on_dark_and_bright_ground(level: int) -> None:
    picture = grey_i420(640, 360, level)
    Annotator(blur=False).draw(picture, [face((300, 150, 380, 240), "neutral")])
    row = picture.planes()[0][200, 290:310].astype(int)
    assert np.abs(row - level).max() > 60 or np.ptp(row) > 60


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1920, 1080), (3840, 2160), (101, 75)])
@pytest.mark.parametrize("where", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_labels_stay_inside_of_the_picture(size: tuple[int, int], where: tuple[int, int]) -> None:
    width, height = size
    side = height // 4
    x, y = where[0] * (width - side), where[1] * (height - side)
    spot = place((width // 3, height // 9), 0, [(x, y, x + side, y + side)], [], (*size, 4))
    assert 0 <= spot[0] <= width - width // 3
    assert 0 <= spot[1] <= height - height // 9


def test_a_label_goes_above_its_face_where_there_is_room() -> None:
    assert place((80, 20), 0, [(100, 100, 180, 180)], [], (640, 360, 4)) == (100, 76, 0)


def test_a_face_at_the_upper_edge_has_its_label_below() -> None:
    x, y, _ = place((80, 20), 0, [(100, 0, 180, 80)], [], (640, 360, 4))
    assert (x, y) == (100, 84)


def test_labels_of_neighbours_do_not_overlap() -> None:
    faces = [(100.0 + 40 * step, 100.0, 135.0 + 40 * step, 140.0) for step in range(4)]
    taken: list[Box] = []
    for number in range(4):
        x, y, _ = place((80, 16), number, faces, taken, (640, 360, 3))
        spot = (x, y, x + 80, y + 16)
        for other in taken:
            apart = (spot[0] >= other[2], other[0] >= spot[2], spot[1] >= other[3])
            assert any((*apart, other[1] >= spot[3]))
        taken.append(spot)


def test_a_label_does_not_jump_to_and_fro_at_the_edge_of_the_picture() -> None:
    choices: list[int] = []
    for step in range(60):
        top = 24 + 20 * np.sin(step)
        spot = place(
            (80, 20), 0, [(100, top, 180, top + 300)], [], (640, 360, 4), [None, *choices][-1]
        )
        choices.append(spot.choice)
    assert sum(a != b for a, b in pairwise(choices)) <= 1


def test_a_label_that_had_to_leave_its_usual_place_comes_back() -> None:
    faces = [(100.0, 100.0, 180.0, 180.0)]
    blocked = place(
        (80, 20), 0, [*faces, (60, 20, 220, 97), (60, 183, 220, 260)], [], (640, 360, 4)
    )
    assert blocked.choice > 3
    assert place((80, 20), 0, faces, [], (640, 360, 4), blocked.choice).choice == 0


def test_lines_and_letters_keep_their_size_while_a_box_trembles() -> None:
    annotator = Annotator(blur=False)
    random = np.random.default_rng(0)
    sizes = set()
    for _ in range(40):
        picture = grey_i420(1280, 720)
        side = 100 + random.normal(0, 2)
        annotator.draw(picture, [face((400, 300, 400 + side, 300 + side))])
        rows = np.flatnonzero((picture.planes()[0][:296] != 110).any(axis=1))
        sizes.add(int(rows[-1] - rows[0]))
    assert len(sizes) == 1


def test_letters_grow_with_a_face_that_comes_nearer() -> None:
    annotator = Annotator(blur=False)
    heights = []
    for side in range(60, 200):
        picture = grey_i420(1280, 720)
        annotator.draw(picture, [face((400, 300, 400 + side, 300 + side))])
        rows = np.flatnonzero((picture.planes()[0][:296] != 110).any(axis=1))
        heights.append(int(rows[-1] - rows[0]))
    assert heights[-1] > heights[0]
    assert sum(a != b for a, b in pairwise(heights)) <= 8


def test_text_grows_with_the_picture_and_never_gets_illegible() -> None:
    heights = [chip_size("happy 93 %", size)[1] for size in (11, 20, 30, 60)]
    assert heights == sorted(heights)
    assert heights[0] >= 12


box_parts = st.floats(-50, 450, allow_nan=False)


@given(st.lists(st.tuples(box_parts, box_parts, box_parts, box_parts), max_size=4), st.booleans())
def test_any_box_can_be_drawn(boxes: list[Box], blur: bool) -> None:
    """Upside down, empty or outside: never an error, never a write beyond the planes."""
    faces = [face(box) for box in boxes]
    for picture in (grey_i420(322, 242), grey_rgb(321, 241)):
        Annotator(blur=blur).draw(picture, faces)
        assert picture.data.shape in {(363, 322), (241, 321, 3)}


@pytest.mark.parametrize("make", [grey_i420, grey_rgb])
def test_blur_leaves_no_detail_of_a_face(make: object) -> None:
    picture = grey_i420(640, 360) if make is grey_i420 else grey_rgb(640, 360)
    rng = np.random.default_rng(1)
    picture.data[:] = rng.integers(0, 256, picture.data.shape, np.uint8)
    before = picture.data.copy()
    Annotator(blur=True).draw(picture, [face((200, 100, 320, 240))])
    for plane in picture.planes():
        step = picture.height // plane.shape[0]
        region = plane[100 // step : 240 // step, 200 // step : 320 // step].astype(float)
        assert region.std() < 12, "noise of this strength has a deviation of 74"
    assert np.array_equal(picture.data[:60], before[:60])


def test_blur_of_different_details_with_equal_averages_looks_equal() -> None:
    """Cells are averages: what differs only inside of a cell cannot be told apart."""
    results = []
    for pattern in ([[0, 200], [200, 0]], [[200, 0], [0, 200]]):
        picture = grey_i420(640, 360)
        picture.planes()[0][:] = np.tile(np.array(pattern, np.uint8), (180, 320))
        Annotator(blur=True).draw(picture, [face((200, 100, 320, 240))])
        results.append(picture.planes()[0][105:235, 205:315].astype(int))
    assert np.abs(results[0] - results[1]).max() <= 3


def test_blur_covers_the_corners_of_the_box() -> None:
    picture = grey_i420(640, 360)
    picture.planes()[0][:] = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (180, 320))
    Annotator(blur=True).draw(picture, [face((200, 100, 320, 240))])
    luma = picture.planes()[0].astype(int)
    for y, x in ((101, 201), (101, 318), (238, 201), (238, 318)):
        assert 60 < luma[y, x] < 200


@pytest.mark.parametrize("make", [grey_i420, grey_rgb])
@pytest.mark.parametrize("box", [(0, 60, 200, 300), (300, 0, 420, 140), (440, 160, 640, 360)])
def test_a_face_at_the_edge_of_the_picture_is_hidden_up_to_the_edge(box: Box, make: object) -> None:
    picture = grey_i420(640, 360) if make is grey_i420 else grey_rgb(640, 360)
    picture.planes()[0][:] = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (180, 320))
    Annotator(blur=True).draw(picture, [face(box)])
    x1, y1, x2, y2 = map(int, box)
    assert np.ptp(picture.planes()[0][y1:y2, x1:x2]) < 40


@pytest.mark.parametrize("box", [(-170, 60, 15, 240), (615, 60, 800, 240), (200, -160, 380, 20)])
def test_a_strip_of_a_face_at_the_edge_of_the_picture_keeps_a_handful_of_averages(box: Box) -> None:
    """Bars along it, broader than a narrow cell, run into one another."""
    picture = grey_i420(640, 360)
    luma = picture.planes()[0]
    bars = np.where(np.arange(640) // 10 % 2, 250, 0).astype(np.uint8)
    luma[:] = bars[:360, None] if box[1] > 0 else bars[None, :]
    Annotator(blur=True).draw(picture, [face(box)])
    x1, y1, x2, y2 = (max(0, int(side)) for side in box)
    assert np.ptp(luma[y1:y2, x1:x2]) < 120


def test_small_faces_are_hidden_too() -> None:
    picture = grey_i420(640, 360)
    picture.planes()[0][:] = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (180, 320))
    Annotator(blur=True).draw(picture, [face((200, 100, 212, 114))])
    assert np.ptp(picture.planes()[0][101:113, 201:211]) < 40


@pytest.mark.parametrize("make", [grey_i420, grey_rgb])
def test_a_picture_of_which_nothing_is_known_is_hidden_whole_or_left_as_it_is(
    make: object,
) -> None:
    picture = grey_i420(642, 360) if make is grey_i420 else grey_rgb(641, 359)
    rng = np.random.default_rng(1)
    picture.data[:] = rng.integers(0, 256, picture.data.shape, np.uint8)
    before = picture.data.copy()
    Annotator(blur=False).draw(picture, None)
    assert np.array_equal(picture.data, before)
    Annotator(blur=True).draw(picture, None)
    assert all(plane.astype(float).std() < 12 for plane in picture.planes())
