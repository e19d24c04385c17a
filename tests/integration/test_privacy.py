"""What an error from the database may say: it ends in the log."""

import logging
import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chalicelib.database.engine import transaction

SECRET = "h0ch-vertraulich"

FAILING = {
    "a key that is there": "INSERT INTO tags (name, folded) SELECT :secret, :secret FROM generate_series(1, 2)",
    "a row that breaks a rule": "INSERT INTO tags (name, folded) VALUES (:secret || '|', :secret)",
    "a missing column": "INSERT INTO tags (name, folded, image_count) VALUES (:secret, :secret, NULL)",
    "a value of another type": "SELECT CAST(:secret AS integer)",
    "a time that is none": "SELECT CAST(:secret AS timestamp)",
    "a syntax error": "SELECT :secret FROM FROM",
}


@pytest.mark.parametrize("statement", FAILING.values(), ids=FAILING)
def test_an_error_of_the_database_shows_no_value(
    database: str, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DBAPIError) as failure, transaction() as session:
        session.execute(text(statement), {"secret": SECRET})
    logging.getLogger("product").error("failed", exc_info=failure.value)

    assert "psycopg2.errors" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in "".join(traceback.format_exception(failure.value))
    assert SECRET not in repr(failure.value.orig)
