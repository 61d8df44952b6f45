"""Recipes: read with care, and the same text for the same training."""

import math
from pathlib import Path
from typing import Any

import pytest

from mien.contract.errors import UsageError
from model.weights_file import read_info
from training.config import Augmentation, Recipe, Stage
from training.recipe_file import load_recipe, parse_recipe
from training.schedule import learning_rate

_TABLE: dict[str, Any] = {"name": "r", "stages": [{"size_px": 32, "epochs": 4}]}


def test_the_committed_recipes_are_sound() -> None:
    folder = Path(__file__).parents[2] / "training" / "recipes"
    names = [path.stem for path in folder.glob("*.toml")]
    assert {"baseline", "vgg19-cpu", "vgg19-gpu", "small-gpu", "tiny"} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        for teacher in recipe.soft_labels.teachers:
            assert load_recipe(teacher).name == teacher


@pytest.mark.parametrize("weights", ["vgg19", "small"])
def test_the_weights_that_come_along_name_a_recipe_that_comes_along(weights: str) -> None:
    info = read_info(weights)
    soft = info.metrics["soft_labels_sha256"]
    recipe = load_recipe(info.recipe, [f'soft_labels.sha256="{soft}"'])
    assert recipe.sha256() == info.recipe_sha256


def test_new_keys_leave_the_digest_of_older_recipes_alone() -> None:
    told = parse_recipe(_TABLE).canonical()
    assert '"nesterov"' not in told
    assert '"nesterov":false' in parse_recipe({**_TABLE, "nesterov": False}).canonical()


def test_the_place_of_soft_labels_is_not_in_the_digest_but_their_hash_is(tmp_path: Path) -> None:
    def digest(folder: Path, sha256: str) -> str:
        folder.mkdir(exist_ok=True)
        path = folder / "r.toml"
        soft = f'[soft_labels]\nfile = "soft.safetensors"\nsha256 = "{sha256}"\nshare = 0.6\n'
        path.write_text(f"{soft}[[stages]]\nepochs = 4\nsize_px = 32\n")
        recipe = load_recipe(path)
        assert recipe.soft_labels.file == str(folder / "soft.safetensors")
        return recipe.sha256()

    first = digest(tmp_path / "a", "0" * 64)
    assert first == digest(tmp_path / "b", "0" * 64)
    assert first != digest(tmp_path / "b", "1" * 64)


def test_soft_labels_that_are_set_by_hand_are_looked_for_from_here(tmp_path: Path) -> None:
    recipe = load_recipe("vgg19-gpu", ["soft_labels.file=runs/soft.safetensors"])
    assert recipe.soft_labels.file == "runs/soft.safetensors"
    path = tmp_path / "r.toml"
    path.write_text('[soft_labels]\nfile = "s"\n[[stages]]\nepochs = 4\nsize_px = 32\n')
    assert load_recipe(path).soft_labels.file == str(tmp_path / "s")
    assert load_recipe(path, ["soft_labels.file=/t/s"]).soft_labels.file == "/t/s"
    assert load_recipe(path, ["soft_labels.share=0.5"]).soft_labels.file == str(tmp_path / "s")


def test_single_keys_are_changed(tmp_path: Path) -> None:
    changes = ["lr=0.3", "architecture=small", "augmentation.erasing=0", "fold='2/5'"]
    recipe = load_recipe("vgg19-cpu", changes)
    assert (recipe.lr, recipe.architecture, recipe.augmentation.erasing) == (0.3, "small", 0.0)
    assert recipe.parts() == (2, 5)
    assert recipe.augmentation.shift == load_recipe("vgg19-cpu").augmentation.shift


@pytest.mark.parametrize(
    ("text", "value"), [(".02", 0.02), ("+.5e-3", 0.0005), (" 1. ", 1.0), ("1_0.e-3", 0.01)]
)
def test_fractions_are_written_as_one_likes(text: str, value: float) -> None:
    assert load_recipe("tiny", [f"lr={text}"]).lr == value


@pytest.mark.parametrize("text", ["fast", "1.2.3", "."])
def test_what_is_no_fraction_stays_a_word(text: str) -> None:
    assert load_recipe("tiny", [f"name={text}"]).name == text
    with pytest.raises(UsageError, match="'lr' in the recipe is not of type float"):
        load_recipe("tiny", [f"lr={text}"])


def test_the_digest_depends_on_the_values_not_on_the_writing(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("seed = 0\nlr = 5e-2\n[[stages]]\nepochs = 4\nsize_px = 32\n")
    assert load_recipe(path).sha256() == parse_recipe(_TABLE).sha256()
    assert parse_recipe({**_TABLE, "lr": 0.06}).sha256() != parse_recipe(_TABLE).sha256()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.1}, "unknown key 'learning_rate'"),
        ({"lr": "fast"}, "'lr' in the recipe is not of type float"),
        ({"batch": 1.5}, "'batch' in the recipe is not of type int"),
        ({"batch": True}, "'batch' in the recipe is not of type int"),
        ({"lr": 0}, "lr must be above 0"),
        ({"precision": "fp8"}, "precision must be one of"),
        ({"architecture": "vgg12"}, "architecture must be one of"),
        ({"stages": []}, "at least one"),
        ({"stages": [{"size_px": 31, "epochs": 1}]}, "size_px must be 32 to 64"),
        ({"stages": [{"size_px": 32}]}, "lacks a key"),
        ({"stages": [{"size_px": 32, "epochs": 0}]}, "epochs must be at least 1"),
        ({"augmentation": {"zoom": 1}}, "unknown key 'zoom'"),
        ({"augmentation": 3}, "is not a table"),
        ({"augmentation": {"erasing": 1.5}}, "erasing must be"),
        ({"augmentation": {"window_px": 44}}, "window_px must be"),
        ({"soft_labels": {"sha256": "f00"}}, "sha256 must be"),
        ({"soft_labels": {"teachers": "vgg16"}}, "not a list of strings"),
        ({"fold": "0/5"}, "a fold is written"),
        ({"initialisation": "zero"}, "initialisation must be one of"),
        ({"selection_views": "all"}, "selection_views must be one of"),
        ({"mean": math.nan}, "mean must be a finite number"),
        ({"std": math.inf}, "std must be a finite number"),
        ({"lr": math.inf}, "lr must be a finite number"),
        ({"weight_decay": math.inf}, "weight_decay must be a finite number"),
        ({"augmentation": {"rotation_deg": math.nan}}, "rotation_deg must be a finite number"),
        ({"augmentation": {"rotation_deg": math.inf}}, "rotation_deg must be a finite number"),
        ({"augmentation": {"scale_max": math.inf}}, "scale_max must be a finite number"),
        ({"augmentation": {"scale_min": 0}}, "scale_min must be above 0"),
        ({"augmentation": {"scale_min": 2}}, "scale_min must be at most scale_max"),
        ({"soft_labels": {"teachers": ["a", "b", "a"]}}, "teachers must be different recipes"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_recipe({**_TABLE, **change})


def test_a_missing_or_broken_recipe_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(UsageError, match=r"cannot read the recipe r+: File name too long"):
        load_recipe("r" * 300)
    broken = tmp_path / "broken.toml"
    broken.write_text("lr = = 1")
    with pytest.raises(UsageError, match="not TOML"):
        load_recipe(broken)


def test_stages_follow_one_another() -> None:
    recipe = Recipe("r", (Stage(32, 2), Stage(44, 1)))
    assert recipe.epochs == 3
    assert [recipe.size_at(epoch) for epoch in range(4)] == [32, 32, 44, 44]


@pytest.mark.parametrize("epochs", [1, 2, 3, 8, 31, 32])
def test_another_number_of_epochs_keeps_the_proportions(epochs: int) -> None:
    recipe = Recipe("r", (Stage(32, 10), Stage(40, 4), Stage(44, 2))).with_epochs(epochs)
    assert recipe.epochs == epochs
    assert all(stage.epochs >= 1 for stage in recipe.stages)
    assert recipe.stages[-1].size_px == 44 or epochs < 4


def test_another_number_of_epochs_stretches_all_that_is_counted_in_them() -> None:
    steps = Recipe(
        "r",
        (Stage(44, 200),),
        schedule="step",
        decay_start=80,
        decay_every=5,
        augmentation=Augmentation(calm_epochs=15),
    )
    half = steps.with_epochs(100)
    assert (half.decay_start, half.decay_every, half.augmentation.calm_epochs) == (40, 2, 8)
    assert steps.with_epochs(1).decay_every == 1
    assert steps.with_epochs(200) == steps
    rates = [learning_rate(recipe, recipe.epochs - 1, recipe.epochs, 1) for recipe in (steps, half)]
    assert rates[0] < steps.lr / 5
    assert rates[1] < steps.lr / 5
    cosine = load_recipe("vgg19-cpu")
    assert cosine.with_epochs(cosine.epochs).sha256() == cosine.sha256()
    assert cosine.with_epochs(32).augmentation.calm_epochs == 4
    assert cosine.with_epochs(32).decay_start == cosine.decay_start


def test_the_cosine_rises_and_falls() -> None:
    recipe = Recipe("r", (Stage(32, 10),), lr=0.1, warmup=0.1)
    rates = [learning_rate(recipe, step, 100, 10) for step in range(100)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_the_steps_hold_and_then_decay() -> None:
    recipe = Recipe(
        "r", (Stage(32, 10),), lr=0.1, warmup=0, schedule="step", decay_start=4, decay_every=3
    )
    rates = [learning_rate(recipe, epoch * 5, 50, 5) for epoch in range(10)]
    assert rates[:4] == [0.1] * 4
    assert rates[4:7] == pytest.approx([0.09] * 3)
    assert rates[7:] == pytest.approx([0.081] * 3)
