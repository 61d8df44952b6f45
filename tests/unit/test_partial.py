"""What a killed process left half-written is removed by the next that writes the same target."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.contract.atomic import AtomicFile, write_whole
from tests.conftest import REPOSITORY

WRITER = """
import os
import sys
from pathlib import Path
from mien.contract.atomic import AtomicFile
file = AtomicFile(Path(sys.argv[1]), overwrite=True)
file.partial.write_text("half")
print(os.fsencode(file.partial).hex(), flush=True)
sys.stdin.read()
"""


class Writer:
    """A process that is in the middle of a file."""

    def __init__(self, target: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)], cwd=REPOSITORY, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.partial = Path(os.fsdecode(bytes.fromhex(self._process.stdout.readline())))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.mark.parametrize(
    "name",
    [
        "out.mp4",
        "[a] *?.mp4",
        "long" * 60 + ".jsonl",
        os.fsdecode(b"caf\xe9.mp4"),
        os.fsdecode(b"\xe9" * 240 + b".mp4"),
    ],
)
def test_the_next_writer_removes_the_file_of_a_killed_one(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    killed = Writer(target)
    killed.kill()
    assert killed.partial.read_text() == "half"
    write_whole(target, "whole", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert target.read_text() == "whole"


def test_a_long_name_is_cut_between_two_letters(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / ("x" + "é" * 120 + ".mp4"), overwrite=False)
    file.partial.name.encode()
    file.abort()


def test_the_file_of_a_living_writer_stays(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    living = Writer(target)
    try:
        write_whole(target, "whole", overwrite=False)
        assert living.partial.read_text() == "half"
    finally:
        living.kill()


def test_files_of_other_targets_stay(tmp_path: Path) -> None:
    others = [".out.old.12-abcdef.partial.mp4", ".out.x-abcdef.partial.mp4", ".out.12-ab.mp4"]
    for name in others:
        (tmp_path / name).touch()
    write_whole(tmp_path / "out.mp4", "whole", overwrite=False)
    assert {path.name for path in tmp_path.iterdir()} == {*others, "out.mp4"}


def test_two_writers_of_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    first = AtomicFile(tmp_path / "out.mp4", overwrite=True)
    second = AtomicFile(tmp_path / "out.mp4", overwrite=True)
    for number, file in enumerate((first, second)):
        file.partial.write_text(str(number))
        file.commit()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["1"]
