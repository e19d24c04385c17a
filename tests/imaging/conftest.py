from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def knee() -> bytes:
    """A slice of a knee by MR, in JPEG Lossless, from a public study."""
    return (Path(__file__).parent / "knee-mr.dcm").read_bytes()
