"""Teachers are asked about rows that they have not seen, and a student believes the right file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from mien.contract.errors import SourceError, UsageError, WeightsError
from model import vgg
from model.weights_file import read_info
from tests.drawings import drawn_split, write_csv
from training.config import Recipe, SoftLabels
from training.distill import distill, with_soft_labels
from training.recipe_file import RECIPES_FOLDER, load_recipe
from training.reliability import softmax
from training.rows import training_rows
from training.scoring import ScoringOptions, ask
from training.soft_labels import load_soft_labels, make_soft_labels
from training.train import RunSettings, fit

NARROW = (8, 8, 16, 16, 16)
TRAINING, PUBLIC = drawn_split(64, 1), drawn_split(28, 2)


def _silent(_: str) -> None:
    pass


def _short() -> Recipe:
    return load_recipe("tiny").with_epochs(1)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A teacher for each of two folds."""
    found = []
    for fold in ("1/2", "2/2"):
        recipe = dataclasses.replace(_short(), fold=fold)
        folder = tmp_path_factory.mktemp("teacher")
        found.append(fit(recipe, TRAINING, PUBLIC, RunSettings(out=folder, report=_silent)))
    return found


@pytest.fixture(scope="module")
def said(teachers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their soft labels."""
    path = tmp_path_factory.mktemp("said") / "soft.safetensors"
    make_soft_labels(teachers, TRAINING, path, report=_silent)
    return path


def test_folds_share_no_row_and_leave_none_out() -> None:
    parts = [
        training_rows(TRAINING, dataclasses.replace(_short(), fold=fold), "cpu")
        for fold in ("1/2", "2/2")
    ]
    held_out = np.concatenate([rows.held_out for rows in parts])
    assert sorted(held_out.tolist()) == list(range(64))
    for rows in parts:
        assert rows.counts.held_out == len(rows.held_out) > 0
        assert rows.counts.kept == 64 - len(rows.held_out)
        learned = {image.tobytes() for image in rows.images.numpy()}
        assert not learned & {TRAINING.images[row].tobytes() for row in rows.held_out}


def test_every_row_gets_probabilities_and_the_file_is_the_same_again(
    teachers: list[Path], said: Path, tmp_path: Path
) -> None:
    assert read_info(teachers[0]).metrics["fold"] == "1/2"
    soft = load(said.read_bytes())["probabilities"]
    assert soft.shape == (64, 7)
    assert np.allclose(soft.sum(1), 1, atol=0.01)
    again = tmp_path / "again.safetensors"
    make_soft_labels(teachers, TRAINING, again, report=_silent)
    assert again.read_bytes() == said.read_bytes()


def test_a_row_without_a_teacher_is_told(teachers: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have no teacher"):
        make_soft_labels(teachers[:1], TRAINING, tmp_path / "soft", report=_silent)


def test_a_network_that_has_seen_every_row_is_no_teacher(tmp_path: Path) -> None:
    weights = fit(_short(), TRAINING, PUBLIC, RunSettings(out=tmp_path, report=_silent))
    with pytest.raises(WeightsError, match="learned from all of Training"):
        make_soft_labels([weights], TRAINING, tmp_path / "soft", report=_silent)


def test_a_network_that_has_seen_every_row_is_asked_about_them_on_request(
    teachers: list[Path], tmp_path: Path
) -> None:
    weights = fit(_short(), TRAINING, PUBLIC, RunSettings(out=tmp_path, report=_silent))
    lines: list[str] = []
    path = tmp_path / "soft"
    make_soft_labels([weights], TRAINING, path, in_sample=True, report=lines.append)
    assert lines[0].endswith("of 64 rows that it had seen")
    soft = load(path.read_bytes())["probabilities"]
    logits = ask(weights, TRAINING.images, ScoringOptions("flip", "cpu")).logits
    assert np.allclose(soft, softmax(logits), atol=1e-3)
    make_soft_labels(teachers, TRAINING, path, in_sample=True, report=lines.append)
    assert lines[1].endswith("rows that it had not seen"), "a fold is a fold"


def test_a_teacher_of_other_data_is_refused(teachers: list[Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="held out other rows"):
        make_soft_labels(teachers, drawn_split(64, 9), tmp_path / "soft", report=_silent)


def test_soft_labels_are_mixed_into_the_targets_by_their_share(said: Path) -> None:
    soft_labels = SoftLabels(share=0.6)
    recipe = with_soft_labels(dataclasses.replace(_short(), soft_labels=soft_labels), said)
    soft = load_soft_labels(recipe, TRAINING)
    assert soft is not None
    hard = training_rows(TRAINING, recipe, "cpu").targets.numpy()
    mixed = training_rows(TRAINING, recipe, "cpu", soft).targets.numpy()
    assert np.allclose(mixed, 0.4 * hard + 0.6 * soft, atol=1e-3)
    assert np.allclose(mixed.sum(1), 1, atol=1e-5)
    assert load_soft_labels(_short(), TRAINING) is None


def test_missing_changed_and_foreign_soft_labels_are_told(said: Path, tmp_path: Path) -> None:
    wanting = dataclasses.replace(_short(), soft_labels=SoftLabels(share=0.5))
    with pytest.raises(UsageError, match="names no file"):
        load_soft_labels(wanting, TRAINING)
    with pytest.raises(UsageError, match="no share"):
        with_soft_labels(_short(), said)
    with pytest.raises(SourceError, match="cannot read the soft labels"):
        with_soft_labels(wanting, tmp_path / "none")
    recipe = with_soft_labels(wanting, said)
    with pytest.raises(SourceError, match="other Training rows"):
        load_soft_labels(recipe, drawn_split(64, 9))
    gone = dataclasses.replace(recipe.soft_labels, file=str(tmp_path / "gone"))
    with pytest.raises(SourceError, match="cannot read the soft labels"):
        load_soft_labels(dataclasses.replace(recipe, soft_labels=gone), TRAINING)
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(save({"probabilities": np.zeros((64, 7), np.float16)}))
    other = dataclasses.replace(recipe.soft_labels, file=str(changed))
    with pytest.raises(SourceError, match="have the sha256"):
        load_soft_labels(dataclasses.replace(recipe, soft_labels=other), TRAINING)
    with pytest.raises(SourceError, match="damaged, or no soft labels"):
        load_soft_labels(with_soft_labels(wanting, changed), TRAINING)


def test_no_teacher_counts_twice(tmp_path: Path) -> None:
    soft = SoftLabels(share=0.6, teachers=("tiny", str(RECIPES_FOLDER / "tiny.toml")))
    recipe = dataclasses.replace(_short(), soft_labels=soft)
    with pytest.raises(UsageError, match=r"two soft_labels\.teachers of one name"):
        distill(recipe, tmp_path / "none.csv", tmp_path / "run", report=_silent)


@pytest.mark.slow
def test_distillation_is_one_run_that_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "faces.csv", {"Training": TRAINING, "PublicTest": PUBLIC})
    teacher = tmp_path / "teacher.toml"
    text = (RECIPES_FOLDER / "tiny.toml").read_text().replace("epochs = 6", "epochs = 1")
    teacher.write_text(text)
    student = tmp_path / "student.toml"
    student.write_text(f'{text}\n[soft_labels]\nshare = 0.6\nfolds = 2\nteachers = ["{teacher}"]\n')
    lines: list[str] = []
    recipe, weights = distill(load_recipe(student), data, tmp_path / "run", report=lines.append)
    info = read_info(weights)
    assert info.metrics["soft_labels_sha256"] == recipe.soft_labels.sha256
    assert info.recipe_sha256 == recipe.sha256()
    assert sorted(path.name for path in (tmp_path / "run" / "teachers").iterdir()) == [
        "teacher-1of2",
        "teacher-2of2",
    ]
    lines.clear()
    weights.unlink()
    distill(load_recipe(student), data, tmp_path / "run", report=lines.append)
    assert sum("is there already" in line for line in lines) == 2
    assert not any("had not seen" in line for line in lines)
    assert any(line.startswith("resumed at step 4 of 4") for line in lines)
    assert read_info(weights).tensor_sha256 == info.tensor_sha256
    with pytest.raises(UsageError, match="is of another recipe"):
        distill(load_recipe(student), data, tmp_path / "run", epochs=2, report=lines.append)


@pytest.mark.slow
def test_the_recipes_for_an_accelerator_run_from_teachers_to_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are shipped, but for an epoch, batches and folds that a few drawn faces can fill, and
    narrow layers."""
    monkeypatch.setattr(vgg, "_WIDTHS", NARROW)
    public = drawn_split(14, 2)
    data = write_csv(tmp_path / "faces.csv", {"Training": drawn_split(40, 1), "PublicTest": public})
    names = ["teacher-vgg16", "teacher-vgg13"]
    for name in ("vgg19-gpu", *names):
        text = (RECIPES_FOLDER / f"{name}.toml").read_text()
        assert "\nbatch = 256\n" in text
        text = text.replace("\nbatch = 256\n", "\nbatch = 16\n").replace("folds = 5", "folds = 2")
        for teacher in names:
            text = text.replace(f'"{teacher}"', f'"{tmp_path / teacher}.toml"')
        (tmp_path / f"{name}.toml").write_text(text)
    student = dataclasses.replace(load_recipe(tmp_path / "vgg19-gpu.toml"), official_counts=False)
    lines: list[str] = []
    _, weights = distill(
        student, data, tmp_path / "run", epochs=1, compiled=False, report=lines.append
    )
    info = read_info(weights)
    assert (info.architecture, info.input_size_px) == ("vgg19", 48)
    assert sum("rows that it had not seen" in line for line in lines) == 4
    assert ask(weights, public.images, ScoringOptions("single", "cpu")).logits.shape == (14, 7)
