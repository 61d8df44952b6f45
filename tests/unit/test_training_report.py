"""What the page on a run tells of its data and its recipe."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import vgg
from model.weights_file import load_weights, read_info, save_weights
from tests.drawings import write_csv
from tests.unit.test_training_run import NARROW, faces, recipe
from training import charts
from training.config import Recipe
from training.fer2013 import Split
from training.report import write_report
from training.train import RunSettings, train

TINY = dataclasses.replace(recipe(), official_counts=False, fold="1/3")


@pytest.fixture(autouse=True, scope="module")
def _narrow() -> Iterator[None]:
    if charts.missing_library() is not None:
        pytest.skip("matplotlib is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "_WIDTHS", NARROW)
        yield


def _splits() -> dict[str, Split]:
    """A black row and two exact copies in Training, three of whose rows PublicTest has as well."""
    training, public = faces(40), faces(14)
    training.images[[5, 9, 11]] = training.images[4]
    training.images[5] = 0
    public.images[[0, 3, 13]] = training.images[[0, 1, 0]]
    return {"Training": training, "PublicTest": public}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "faces.csv", _splits())


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch; not to be changed."""
    out = tmp_path_factory.mktemp("run")
    train(TINY.with_epochs(1), data, RunSettings(out=out, report=lambda _: None))
    return out


def _page(weights: Path, recipe: Recipe, data: Path) -> str:
    write_report(weights, recipe, data)
    return (weights.parent / "report.html").read_text(encoding="utf-8")


def test_the_page_tells_what_became_of_the_rows(run: Path, data: Path) -> None:
    page = _page(run / "vgg11.safetensors", TINY.with_epochs(1), data)
    found = read_info(run / "vgg11.safetensors").metrics
    held_out, merged = int(found["rows_held_out"]), int(found["rows_merged"])
    # copies are in one fold, so both or none of them are held out
    assert 0 < held_out < 30
    black = int(found["rows_black"])
    assert (black, merged) in {(1, 2), (0, 2), (1, 0), (0, 0)}
    assert 40 - held_out - black - merged == found["rows"]
    for name, count in {
        "Training rows": 40,
        "held out": held_out,
        "black ones left out": black,
        "exact copies merged": merged,
        "rows to learn from": found["rows"],
        "PublicTest rows with an exact copy in Training": 3,
    }.items():
        assert f"<th>{name}</th><td><code>{count}</code></td>" in page
    assert "followed from the step" not in page
    # the whole recipe stands there once, not among the figures as well
    assert page.count("rotation_deg") == 1


def test_all_counts_are_those_of_the_data_where_nothing_is_held_out(
    data: Path, tmp_path: Path
) -> None:
    whole = dataclasses.replace(TINY, fold="").with_epochs(1)
    found = read_info(train(whole, data, RunSettings(out=tmp_path, report=lambda _: None))).metrics
    names = ("rows_given", "rows_held_out", "rows_black", "rows_merged", "rows")
    assert [found[name] for name in names] == [40, 0, 1, 2, 37]
    assert found["public_exact_copies"] == 3


def test_the_page_of_a_run_whose_recipe_was_changed_says_so(
    run: Path, data: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    train(TINY, data, RunSettings(out=out, report=lambda _: None, resume=True))
    page = _page(out / "vgg11.safetensors", TINY, data)
    assert "no recipe alone leads to these weights" in page
    assert TINY.with_epochs(1).sha256() in page


def test_weights_that_tell_nothing_of_their_rows_have_a_page(
    run: Path, data: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    network, info = load_weights(out / "vgg11.safetensors")
    save_weights(out / "vgg11.safetensors", network, dataclasses.replace(info, metrics={}))
    assert "<h2>Data</h2>" not in _page(out / "vgg11.safetensors", TINY.with_epochs(1), data)


def test_a_recipe_whose_name_is_no_proper_text_has_a_page(
    run: Path, data: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    network, info = load_weights(out / "vgg11.safetensors")
    named = dataclasses.replace(info, recipe=os.fsdecode(b"caf\xe9"))
    save_weights(out / "vgg11.safetensors", network, named)
    assert r"<h1>caf\udce9</h1>" in _page(out / "vgg11.safetensors", TINY, data)
