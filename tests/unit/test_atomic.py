"""Files appear under their final name only when they are whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.contract.atomic import AtomicFile, check_target
from mien.contract.errors import OutputError, UsageError
from tests.rights import needs_prctl, without_root_rights


def test_nothing_stands_under_the_final_name_before_commit(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.json", overwrite=False)
    file.partial.write_text("half")
    assert not (tmp_path / "out.json").exists()
    file.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert (tmp_path / "out.json").read_text() == "half"


def test_the_partial_file_is_hidden_and_keeps_folder_and_extension(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.mp4", overwrite=False)
    assert file.partial.parent == tmp_path
    assert file.partial.name.startswith(".out.")
    assert file.partial.suffix == ".mp4"
    file.abort()


def test_abort_leaves_nothing_and_may_be_called_twice(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.json", overwrite=False)
    file.abort()
    file.abort()
    assert list(tmp_path.iterdir()) == []


def test_abort_after_commit_keeps_the_file(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.json", overwrite=False)
    file.commit()
    file.abort()
    assert (tmp_path / "out.json").exists()


def test_an_existing_file_is_refused_without_overwrite(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        AtomicFile(tmp_path / "out.json", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_an_existing_file_is_replaced_with_overwrite(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old")
    file = AtomicFile(tmp_path / "out.json", overwrite=True)
    file.partial.write_text("new")
    assert (tmp_path / "out.json").read_text() == "old"
    file.commit()
    assert (tmp_path / "out.json").read_text() == "new"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.json", overwrite=False)
    file.settle()
    (tmp_path / "out.json").write_text("somebody else's")
    for step in (file.settle, file.commit):
        with pytest.raises(OutputError, match="appeared"):
            step()
    assert (tmp_path / "out.json").read_text() == "somebody else's"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        check_target(tmp_path / "missing" / "out.json", overwrite=True)


def test_a_folder_or_a_device_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_target(tmp_path / "folder.mp4", overwrite=True)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UsageError, match="regular"):
        check_target(tmp_path / "pipe.mp4", overwrite=True)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    file = AtomicFile(tmp_path / "link.json", overwrite=True)
    file.partial.write_text("new")
    file.commit()
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_link_to_itself_is_no_target(tmp_path: Path) -> None:
    path = tmp_path / "loop.json"
    path.symlink_to(path)
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"loop\.json cannot be written: .*symbolic links"):
            check_target(path, overwrite)


def test_two_files_of_one_name_do_not_share_their_partial(tmp_path: Path) -> None:
    first = AtomicFile(tmp_path / "out.json", overwrite=True)
    second = AtomicFile(tmp_path / "out.json", overwrite=True)
    assert first.partial != second.partial
    first.abort()
    second.abort()


def test_a_name_that_has_become_a_folder_is_told_before_the_commit(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "out.json", overwrite=True)
    (tmp_path / "out.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*out\.json: Is a directory"):
        file.settle()
    file.abort()


@needs_prctl
def test_a_folder_that_was_locked_is_told_before_the_commit(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from mien.contract.atomic import AtomicFile;"
        "path = Path(sys.argv[1]); file = AtomicFile(path, True); path.parent.chmod(0o500)\n"
        "try: file.settle()\n"
        "finally: file.abort()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out.json")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        preexec_fn=without_root_rights,
    )  # fmt: skip
    tmp_path.chmod(0o700)
    *_, line = done.stderr.splitlines()
    assert line.startswith("mien.contract.errors.OutputError: cannot write "), done.stderr
    assert line.endswith("out.json: permission denied")


def test_a_very_long_name_works(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".json")
    AtomicFile(path, overwrite=False).commit()
    assert path.exists()


def test_a_killed_process_leaves_no_final_name(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from mien.contract.atomic import AtomicFile;"
        "file = AtomicFile(Path(sys.argv[1]), False); file.partial.write_text('half');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out.json")], cwd=root, check=False
    )
    assert result.returncode == -9
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".out."]
