"""The package that is deployed, made once."""

from pathlib import Path

import pytest

from infrastructure import packaging
from infrastructure.packaging import Target


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the machine that runs the tests; if that is x86_64 with Python 3.13, to the byte what Lambda gets."""
    return packaging.build(Target.here(), tmp_path_factory.mktemp("package") / "function.zip")
