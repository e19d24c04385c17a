"""What befalls PostgreSQL, and the connections to it."""

import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2

from local import ROOT, environment
from tests.faults.caller import pause
from tests.faults.full_disk import FULL_SECONDS, full_disk
from tests.faults.injury import Injury
from tests.faults.stack import Site

_MIGRATE = "from chalicelib.database import migrations; migrations.upgrade()"
_OURS = "application_name = 'tagged-image-manager'"


def cut_connections(injury: Injury) -> None:
    """In the middle of their transactions, for two seconds."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        injury.site.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OURS} AND state <> 'idle'")
        pause(random.uniform(0, 0.2))


def refuse_connections_for_20_s(injury: Injury) -> None:
    site = injury.site
    site.sql("ALTER DATABASE tim ALLOW_CONNECTIONS false", database="postgres")
    site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tim'", database="postgres")
    pause(20)
    site.sql("ALTER DATABASE tim ALLOW_CONNECTIONS true", database="postgres")


def lock_the_tables(injury: Injury) -> None:
    """Whoever wants to read or write waits."""
    _lock(injury.site, 5)


def lock_the_tables_for_25_s(injury: Injury) -> None:
    """Longer than a statement may take."""
    _lock(injury.site, 25)


def _lock(site: Site, seconds: float) -> None:
    with (
        closing(psycopg2.connect(site.description["database_url"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("LOCK TABLE images, tags IN ACCESS EXCLUSIVE MODE")
        pause(seconds)


def slow_the_statements_down(injury: Injury) -> None:
    """Each that writes links takes half a second."""
    sql, body = injury.site.sql, "BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END"
    sql(f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    sql("CREATE TRIGGER dawdle AFTER INSERT OR DELETE ON image_tags EXECUTE FUNCTION dawdle()")
    pause(5)
    sql("DROP FUNCTION dawdle CASCADE")


def fill_the_disk(injury: Injury) -> None:
    """PostgreSQL cannot make its tables longer: No space left on device."""
    with full_disk(injury.site.disk):
        pause(FULL_SECONDS)


def fill_the_disk_until_the_database_crashes(injury: Injury) -> None:
    """It cannot log its writes either, which it takes for fatal, nor start again as long as there is no room."""
    with full_disk(injury.site.disk):
        end = time.monotonic() + FULL_SECONDS
        while time.monotonic() < end:
            with suppress(psycopg2.Error):
                injury.site.sql("SELECT pg_switch_wal()")
            pause(0.2)


def migrate_twice_at_once(injury: Injury) -> None:
    """The database as it is, while it is written to."""
    url = injury.site.description["database_url"]
    assert [one.wait(60) for one in (_migration(injury.site, url), _migration(injury.site, url))] == [0, 0]


def migrate_a_new_database_thrice_at_once(injury: Injury) -> None:
    """One of the three is killed on the way; the others bring all of it about."""
    with _new_database(injury.site) as url:
        killed, *others = [_migration(injury.site, url) for _ in range(3)]
        pause(random.uniform(0.3, 1.5))
        killed.kill()
        killed.wait()
        assert [one.wait(60) for one in others] == [0, 0]
        version = "SELECT version_num FROM alembic_version"
        assert injury.site.sql(version, database=url.rsplit("/", 1)[1]) == injury.site.sql(version)


def _migration(site: Site, url: str) -> subprocess.Popen[bytes]:
    settings = environment.of_service(site.description) | environment.database(url)
    return subprocess.Popen([sys.executable, "-c", _MIGRATE], env=settings, cwd=ROOT)


@contextmanager
def _new_database(site: Site) -> Iterator[str]:
    """Its URL."""
    name = f"new_{uuid.uuid4().hex[:8]}"
    site.sql(f"CREATE DATABASE {name}", database="postgres")
    yield f"{site.description['database_url'].rsplit('/', 1)[0]}/{name}"
    site.sql(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")
