"""The product's own connection."""

import pytest
from sqlalchemy import Engine, make_url, text

from chalicelib import snapshot
from chalicelib.config import settings
from chalicelib.database import engine as product
from chalicelib.database.engine import transaction
from chalicelib.errors import ImageNotFound, TooCostly, Unavailable


def backend() -> int:
    with transaction() as session:
        pid: int = session.scalars(text("SELECT pg_backend_pid()")).one()
        return pid


def test_the_connection_is_kept_between_requests(database: str) -> None:
    assert backend() == backend()


def test_a_dead_connection_is_replaced_without_the_caller_noticing(database: str, engine: Engine) -> None:
    first = backend()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})

    assert backend() != first


def test_a_connection_that_a_snapshot_knew_is_not_used_again(database: str) -> None:
    first = backend()

    snapshot.renew()

    assert backend() != first


def test_without_a_password_in_the_url_one_is_asked_for_at_each_connect(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(database)
    asked = []

    def source(address: str, user: str) -> str:
        asked.append((address, user))
        return url.password or ""

    monkeypatch.setattr(product, "_password_sources", [source])
    monkeypatch.setenv("DATABASE_URL", url._replace(password=None).render_as_string())
    settings.cache_clear()
    product.forget()

    first = backend()
    product.engine().dispose()
    second = backend()

    product.forget()
    settings.cache_clear()
    assert first != second
    assert asked == [(f"{url.host}:{url.port}", url.username)] * 2


def test_a_connection_that_breaks_in_the_middle_says_so_and_nothing_is_written(
    database: str, committed: Engine
) -> None:
    with pytest.raises(Unavailable), transaction() as session:
        session.execute(text("INSERT INTO tags (name, folded) VALUES ('half', 'half')"))
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM tags")) == 0


def test_a_statement_that_takes_too_long_is_ended_with_a_word_about_it(database: str) -> None:
    with pytest.raises(TooCostly), transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 50"))
        session.execute(text("SELECT pg_sleep(10)"))


def test_statements_are_bounded_below_what_the_gateway_waits(database: str) -> None:
    with transaction() as session:
        assert session.scalar(text("SHOW statement_timeout")) == f"{settings().statement_timeout_seconds}s"


def test_a_database_that_cannot_be_reached_is_unavailable(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    product.engine.cache_clear()
    settings.cache_clear()
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable), transaction() as session:
        session.execute(text("SELECT 1"))

    product.engine.cache_clear()
    settings.cache_clear()


def names_of_tags() -> set[str]:
    with transaction() as session:
        return set(session.scalars(text("SELECT name FROM tags")))


def add_tag(name: str) -> None:
    with transaction() as session:
        session.execute(text("INSERT INTO tags (name, folded) VALUES (:name, :name)"), {"name": name})


def fail_having_added_tag(name: str) -> None:
    with transaction() as session:
        session.execute(text("INSERT INTO tags (name, folded) VALUES (:name, :name)"), {"name": name})
        raise ImageNotFound(1)


def test_what_fails_within_an_enclosing_transaction_is_undone_alone(database: str, committed: Engine) -> None:
    with product.enclosing():
        add_tag("kept")
        with pytest.raises(ImageNotFound):
            fail_having_added_tag("undone")

    assert names_of_tags() == {"kept"}


def test_what_succeeds_within_an_enclosing_transaction_is_kept_only_with_all(database: str, committed: Engine) -> None:
    with pytest.raises(ImageNotFound), product.enclosing():
        add_tag("lost")
        raise ImageNotFound(1)

    add_tag("later")

    assert names_of_tags() == {"later"}


def test_a_connection_that_breaks_within_an_enclosing_transaction_says_so_and_nothing_is_written(
    database: str, committed: Engine
) -> None:
    with pytest.raises(Unavailable), product.enclosing() as session:
        add_tag("half")
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    assert names_of_tags() == set()
