"""The database's end of a connection is gone without a word: nothing is refused, nothing is acknowledged."""

import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url, text

from chalicelib.database import engine as product
from chalicelib.database.engine import transaction
from chalicelib.errors import Unavailable
from infrastructure.resources import GATEWAY_TIMEOUT_SECONDS
from tests.integration.conftest import used_by_the_product
from tests.integration.severed import Line


@pytest.fixture
def line(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The product's connections go over it, and are given up soon."""
    monkeypatch.setattr(product, "SILENT_SECONDS", 2)
    with (
        Line(make_url(database)).open() as line,
        used_by_the_product(line.url.render_as_string(hide_password=False)),
    ):
        yield line


def backend() -> int:
    with transaction() as session:
        pid: int = session.scalars(text("SELECT pg_backend_pid()")).one()
        return pid


def outcome(work: Callable[[], int]) -> int | Exception:
    """What comes of the work within the time in which the gateway expects an answer."""
    outcomes: queue.Queue[int | Exception] = queue.Queue()

    def worked() -> None:
        try:
            outcomes.put(work())
        except Exception as error:  # noqa: BLE001
            outcomes.put(error)

    threading.Thread(target=worked, daemon=True).start()
    return outcomes.get(timeout=GATEWAY_TIMEOUT_SECONDS)


def test_a_connection_that_is_silent_when_it_is_to_be_used_is_replaced(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = backend()
    line.fall_silent()
    monkeypatch.setattr(product, "QUIET_SECONDS", 0)

    after = outcome(backend)

    assert isinstance(after, int)
    assert after != before


def test_a_connection_that_falls_silent_during_a_query_makes_the_service_unavailable(line: Line) -> None:
    def sleep() -> int:
        with transaction() as session:
            return int(session.execute(text("SELECT pg_sleep(3600) IS NULL")).scalar_one())

    line.last_words = b"pg_sleep"

    assert isinstance(outcome(sleep), Unavailable)


def test_a_silent_end_is_noticed_well_before_the_gateway_gives_up(database: str) -> None:
    """Then there is time left for a new connection and for the statement."""
    product.engine().dispose()
    with transaction() as session:
        parameters = session.connection().connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]

    until_noticed = int(parameters["tcp_user_timeout"]) / 1000
    assert until_noticed + int(parameters["connect_timeout"]) <= GATEWAY_TIMEOUT_SECONDS / 2
    probes = int(parameters["keepalives_interval"]) * int(parameters["keepalives_count"])
    assert int(parameters["keepalives_idle"]) + probes <= GATEWAY_TIMEOUT_SECONDS / 2
