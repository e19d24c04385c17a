"""The migration waits for the database, for the proxy, and for the policy that lets it sign in: in a new account they
have just come into being."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from chalicelib.database import catalog
from chalicelib.database import engine as product
from chalicelib.database.catalog import SchemaError
from chalicelib.events import migration
from local import postgres
from tests.conftest import free_port
from tests.integration.conftest import a_database, for_psycopg2, for_sqlalchemy, used_by_the_product
from tests.integration.severed import Line
from tests.local.conftest import fresh_directory

UNREACHED = "the database cannot be reached"


@pytest.fixture
def directory() -> Iterator[Path]:
    with fresh_directory() as directory:
        yield directory


def _reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(line)["reason"] for line in caplog.records if line.message == UNREACHED]


def _assert_migrated() -> None:
    with product.engine().connect() as connection:
        assert catalog.live(connection) == catalog.recorded()


def never(_: float) -> None:
    pytest.fail("It waited.")


def test_a_database_that_comes_up_late_is_waited_for(
    database: str, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, started = free_port(), list[postgres.Server]()

    def start(_: float) -> None:
        started.append(postgres.start(directory / "postgres", port, "secret", directory / "log"))
        started[0].wait_until_ready()

    with used_by_the_product(f"postgresql+psycopg2://{postgres.NAME}:secret@127.0.0.1:{port}/{postgres.NAME}"):
        try:
            migration.migrate(wait=start)
            _assert_migrated()
        finally:
            product.engine().dispose()
            started[0].stop()

    (reason,) = _reasons(caplog)
    assert "Connection refused" in reason
    assert "\n" not in reason


def test_a_sign_in_that_is_refused_at_first_is_tried_again_with_a_new_token(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = iter(["first", "second", "third"])

    def permit(_: float) -> None:
        """As when a policy takes effect: from now on the third token is good."""
        if len(_reasons(caplog)) == 2:
            cursor.execute("ALTER ROLE newcomer PASSWORD 'third'")

    with closing(psycopg2.connect(for_psycopg2(database))) as superuser, superuser.cursor() as cursor:
        superuser.autocommit = True
        cursor.execute("CREATE ROLE newcomer LOGIN PASSWORD 'none of them'")
        with a_database(database, "newcomers") as url:
            cursor.execute("ALTER DATABASE newcomers OWNER TO newcomer")
            monkeypatch.setattr(product, "_password_sources", [lambda *_: next(given)])
            without_password = make_url(url)._replace(username="newcomer", password=None)
            with used_by_the_product(without_password.render_as_string()):
                migration.migrate(wait=permit)
                _assert_migrated()
        cursor.execute("DROP ROLE newcomer")

    assert ["password authentication failed" in reason for reason in _reasons(caplog)] == [True, True]


def test_a_proxy_that_lets_it_in_and_has_no_database_yet_is_waited_for(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        a_database(database, "behind_a_proxy") as url,
        Line(make_url(url), b"SELECT 1", once=False).open() as line,
        used_by_the_product(line.url.render_as_string(hide_password=False)),
    ):
        line.breaks.set()
        migration.migrate(wait=lambda _: line.breaks.clear())
        _assert_migrated()

    assert len(_reasons(caplog)) == 1
    assert line.broken >= 1


def test_it_gives_up_when_the_time_is_over(database: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        used_by_the_product(for_sqlalchemy(f"postgresql://nobody@127.0.0.1:{free_port()}/none")),
        pytest.raises(OperationalError, match="Connection refused"),
    ):
        migration.migrate(wait=never, connect_seconds=0)

    assert len(_reasons(caplog)) == 1


def test_a_migration_that_fails_is_not_tried_again(database: str) -> None:
    with a_database(database, "unusable") as url, used_by_the_product(url):
        with closing(psycopg2.connect(for_psycopg2(url))) as connection, connection:
            connection.cursor().execute("CREATE TABLE images (id text)")
        with pytest.raises(Exception, match='relation "images" already exists'):
            migration.migrate(wait=never)


def test_a_database_that_this_code_cannot_use_is_not_waited_for(database: str) -> None:
    with (
        a_database(database, "latin_again", "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'") as url,
        used_by_the_product(url),
        pytest.raises(SchemaError, match="The encoding"),
    ):
        migration.migrate(wait=never)
