"""What becomes of it when S3 refuses the service itself."""

import uuid
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from chalicelib.aws import parts, storage
from chalicelib.errors import Unavailable

KEY = f"images/2026-11-27/{uuid.uuid4()}"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("minutes", [-60, 60])
def test_a_clock_that_s3_refuses_is_a_reason_to_try_again(minutes: int) -> None:
    storage.put(KEY, b"DICM", "application/dicom")
    now = datetime.now(UTC) + timedelta(minutes=minutes)

    with patch("botocore.auth.get_current_datetime", return_value=now):
        for call in (
            lambda: storage.put(KEY, b"DICM", "application/dicom"),
            lambda: storage.head(KEY),
            lambda: parts.begin(KEY, "application/dicom"),
        ):
            with pytest.raises(Unavailable):
                call()
