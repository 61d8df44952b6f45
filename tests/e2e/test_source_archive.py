"""The source archive can be tested as the repository can."""

import subprocess
import sys
import tarfile
from pathlib import Path

from tests.conftest import REPOSITORY


def test_it_holds_the_records_that_its_tests_read(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = tmp_path.iterdir()
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    records = (REPOSITORY / "benchmarks" / "results").iterdir()
    assert {f"benchmarks/results/{path.name}" for path in records} <= names
