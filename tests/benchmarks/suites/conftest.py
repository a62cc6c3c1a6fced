"""The suite file that a module of tests writes in `OWN`."""

import pytest


@pytest.fixture
def own(request, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(request.module.OWN)
    return path
