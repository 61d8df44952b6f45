"""A run that goes on: with its own data, its own average, and an account of what was changed."""

import dataclasses
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mien.contract.errors import UsageError, WeightsError
from model import vgg
from model.weights_file import read_info
from tests.drawings import write_csv
from tests.unit.test_training_run import NARROW, faces, recipe
from training import distill as distillation
from training.config import Recipe, SoftLabels
from training.run_state import Restored, recipes_of
from training.train import RunSettings, fit

SPLITS = {"Training": faces(24), "PublicTest": faces(12)}


@pytest.fixture(autouse=True, scope="module")
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "_WIDTHS", NARROW)
        yield


class Stopped(Exception):  # noqa: N818 - what happened to a run
    """Somebody ended the run."""


def begin(out: Path, recipe: Recipe, step: int) -> None:
    """A run that is stopped after a step, with its checkpoint written."""

    def stop(line: str) -> None:
        if f" step {step + 1}/" in line:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.progress.LOG_EVERY_S", 0.0)
        with pytest.raises(Stopped):
            fit(recipe, *SPLITS.values(), RunSettings(out=out, report=stop, checkpoint_every_s=0.0))
    assert saved(out)["step"] == step


def go_on(out: Path, recipe: Recipe) -> list[str]:
    lines: list[str] = []
    fit(recipe, *SPLITS.values(), RunSettings(out=out, report=lines.append, resume=True))
    return lines


def saved(out: Path) -> dict[str, object]:
    found = torch.load(out / "run.pt", weights_only=True)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after its ninth step; not to be changed."""
    out = tmp_path_factory.mktemp("stopped")
    begin(out, recipe(), 9)
    return out


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """The same, to go on with."""
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def test_weights_of_a_run_whose_recipe_was_changed_say_so(run: Path) -> None:
    slower = dataclasses.replace(recipe(), lr=0.002)
    go_on(run, slower)
    info = read_info(run / "vgg11.safetensors")
    history = [[0, recipe().sha256()], [9, slower.sha256()]]
    assert json.loads(str(info.metrics["recipe_history"])) == history
    assert info.recipe_sha256 == slower.sha256()


def test_weights_of_a_run_with_one_recipe_have_no_history(run: Path) -> None:
    go_on(run, recipe())
    assert "recipe_history" not in read_info(run / "vgg11.safetensors").metrics
    assert recipes_of(run) == [(0, recipe().sha256())]


def test_a_change_that_was_taken_back_before_a_step_is_none(run: Path) -> None:
    content = torch.load(run / "run.pt", weights_only=True)
    content["recipes"] = [(0, recipe().sha256()), (9, "f" * 64)]
    torch.save(content, run / "run.pt")
    go_on(run, recipe())
    assert recipes_of(run) == [(0, recipe().sha256())]


def test_a_checkpoint_from_before_there_was_a_history_goes_on(run: Path) -> None:
    content = torch.load(run / "run.pt", weights_only=True)
    del content["recipes"], content["data"]
    torch.save(content, run / "run.pt")
    go_on(run, dataclasses.replace(recipe(), lr=0.002))
    assert [step for step, _ in recipes_of(run)] == [0, 9]


def test_the_recipe_stands_in_the_folder_and_in_the_weights(run: Path) -> None:
    go_on(run, recipe())
    text = (run / "recipe.json").read_bytes()
    info = read_info(run / "vgg11.safetensors")
    assert hashlib.sha256(text).hexdigest() == info.recipe_sha256
    assert info.metrics["recipe_json"] == text.decode()
    assert json.loads(text)["augmentation"]["mixup_share"] == 0.7


def test_a_run_does_not_go_on_with_other_data(run: Path) -> None:
    before = (run / "run.pt").read_bytes()
    for training, validation, words in [
        (faces(25), SPLITS["PublicTest"], "begun with other Training rows"),
        (SPLITS["Training"], faces(11), "begun with other PublicTest rows"),
    ]:
        with pytest.raises(WeightsError, match=words) as told:
            fit(
                recipe(),
                training,
                validation,
                RunSettings(out=run, report=lambda _: None, resume=True),
            )
        assert "\n" not in str(told.value)
    assert (run / "run.pt").read_bytes() == before


def test_epochs_are_not_compared_with_those_that_were_looked_at_in_another_way(run: Path) -> None:
    twice = dataclasses.replace(recipe(), selection_views="flip")
    with pytest.raises(WeightsError, match="begun with selection_views = single"):
        go_on(run, twice)


def averages(run: Path, changed: Recipe, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, bool]:
    """Whether the average of a run that goes on is as it was stored, and whether it is the model's.

    Before any step.
    """
    before = torch.load(run / "run.pt", weights_only=True)
    found: list[tuple[bool, bool]] = []

    def look(_: object, state: object, *__: object) -> None:
        now, model = state.average.state_dict(), state.model.state_dict()  # type: ignore[attr-defined]
        kept = all(torch.equal(now[name], before["average"][name]) for name in now)
        found.append((kept, all(torch.equal(now[name], model[name]) for name in now)))
        raise Stopped

    monkeypatch.setattr("training.train.Learner", look)
    with pytest.raises(Stopped):
        go_on(run, changed)
    return found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"}, {"lr": 0.002}, {"ema_share": 0.1}, {"ema_norms": 0}, {},
    ],
)  # fmt: skip
def test_an_average_that_has_begun_is_kept(
    run: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(recipe(), **changes)  # type: ignore[arg-type]
    assert averages(run, changed, monkeypatch) == (True, False)


def test_a_run_that_is_compiled_from_now_on_leads_elsewhere() -> None:
    assert Restored(("compiled",), old_epochs=3, old_ema_share=0.6).leads_elsewhere
    assert not Restored(("ema_norms", "name"), old_epochs=3, old_ema_share=0.6).leads_elsewhere


def test_an_average_that_had_not_begun_begins_where_the_new_plan_is_past_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = dataclasses.replace(recipe(), ema_share=0.2)
    begin(tmp_path, late, 9)
    assert averages(tmp_path, recipe(), monkeypatch) == (False, True)
    renamed = dataclasses.replace(late, name="other")
    assert averages(tmp_path, renamed, monkeypatch) == (True, False)


def test_a_run_that_diverges_ends_and_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    begin(tmp_path, recipe(), 9)
    before = (tmp_path / "run.pt").read_bytes()
    wild = dataclasses.replace(recipe(), lr=1e4, weight_decay=1e38)
    for every_s in (0.0, 300.0):  # noticed at a checkpoint, and at the epoch's end
        run = RunSettings(
            out=tmp_path, report=lambda _: None, resume=True, checkpoint_every_s=every_s
        )
        with pytest.raises(
            UsageError, match=r"diverged by step 1[02]: .* resume it .* lr="
        ) as told:
            fit(wild, *SPLITS.values(), run)
        assert "\n" not in str(told.value)
    assert (tmp_path / "run.pt").read_bytes() == before
    assert not (tmp_path / "vgg11.safetensors").exists()
    go_on(tmp_path, recipe())
    assert (tmp_path / "vgg11.safetensors").is_file()


def test_what_another_run_left_is_not_overwritten(tmp_path: Path) -> None:
    for name in ("vgg11.safetensors", "metrics.csv"):
        left = tmp_path / name
        left.write_text("hours of work")
        with pytest.raises(UsageError, match=f"{name} of another run is there"):
            fit(recipe(), *SPLITS.values(), RunSettings(out=tmp_path, report=lambda _: None))
        assert left.read_text() == "hours of work"
        left.unlink()


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    told: list[str] = []

    def begin_another(line: str) -> None:
        if not told and line.startswith("tiny: "):
            with pytest.raises(UsageError, match=f"another training is under way in {tmp_path};"):
                fit(recipe(), *SPLITS.values(), RunSettings(out=tmp_path, report=lambda _: None))
            soft = SoftLabels(share=0.6, teachers=("tiny",))
            student = dataclasses.replace(recipe(), soft_labels=soft)
            with pytest.raises(UsageError, match="another training is under way"):
                distillation.distill(student, tmp_path / "none", tmp_path, report=lambda _: None)
            told.append(line)

    fit(recipe().with_epochs(1), *SPLITS.values(), RunSettings(out=tmp_path, report=begin_another))
    assert len(told) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics.csv", "recipe.json", "run.pt", "vgg11.safetensors",
    ]  # fmt: skip


def test_who_was_killed_holds_no_folder(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from training.run_lock import alone_in;"
        "held = alone_in(Path(sys.argv[1])); held.__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    fit(recipe().with_epochs(1), *SPLITS.values(), RunSettings(out=tmp_path, report=lambda _: None))
    assert (tmp_path / "vgg11.safetensors").is_file()


def test_a_folder_with_a_table_of_epochs_can_be_gone_on_with(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 1 at"):
            raise Stopped

    with pytest.raises(Stopped):
        fit(recipe(), *SPLITS.values(), RunSettings(out=tmp_path, report=stop))
    (tmp_path / "metrics.csv").unlink()
    assert "resumed at step 6 of 18" in go_on(tmp_path, recipe())
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 4


def test_a_distillation_goes_on_with_no_checkpoint_of_another_recipe(
    run: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "faces.csv", SPLITS)
    slower = dataclasses.replace(recipe(), lr=0.002, official_counts=False)
    with pytest.raises(UsageError, match="is of another recipe"):
        distillation._finished(slower, data, run, "cpu", lambda _: None)
    go_on(run, dataclasses.replace(recipe(), official_counts=False))
    finished = dataclasses.replace(recipe(), official_counts=False)
    with pytest.raises(UsageError, match="is of another recipe"):
        distillation._finished(finished, data, run, "cpu", lambda _: None)


def test_a_distillation_keeps_no_network_that_has_learned_from_other_rows(tmp_path: Path) -> None:
    finished = dataclasses.replace(recipe(), official_counts=False).with_epochs(1)
    folder = tmp_path / "teacher"
    lines: list[str] = []
    fit(finished, *SPLITS.values(), RunSettings(out=folder, report=lambda _: None))
    data = write_csv(tmp_path / "faces.csv", SPLITS)
    weights = distillation._finished(finished, data, folder, "cpu", lines.append)
    assert lines == [f"{weights} is there already"]
    other = write_csv(tmp_path / "other.csv", {**SPLITS, "Training": faces(25)})
    with pytest.raises(WeightsError, match="has learned from other Training rows"):
        distillation._finished(finished, other, folder, "cpu", lambda _: None)


def test_a_distillation_that_diverges_says_how_it_can_go_on(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "faces.csv", SPLITS)
    wild = dataclasses.replace(recipe(), lr=1e4, weight_decay=1e38, official_counts=False)
    with pytest.raises(UsageError, match=r"diverged by step 6: .* remove .*run and give .* lower"):
        distillation._finished(wild, data, tmp_path / "run", "cpu", lambda _: None)
