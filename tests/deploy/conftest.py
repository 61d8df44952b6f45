"""What the checks of deployment files share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(scope="session")
def deploy() -> Path:
    return DEPLOY


@pytest.fixture(scope="session")
def manifests() -> list[dict[str, Any]]:
    """Every Kubernetes object as it stands in its file, without what Kustomize adds."""
    return list(_objects(DEPLOY / "kubernetes"))


def _objects(folder: Path) -> Iterator[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] not in ("Kustomization", "Component"):
                yield document
