"""Two PostgreSQL servers, each with the users of a cluster, made by a master user who is no superuser."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import make_url

from infrastructure import roles
from local import children, postgres, postgres_home
from local.state import free_port

MASTER = "master"
PASSWORD = "only-for-this-test"

# What a master user of Aurora may do beside creating roles and databases, as a member of rds_superuser.
_OF_RDS = f"""
    CREATE ROLE rds_iam NOLOGIN;
    CREATE ROLE {MASTER} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}';
    GRANT rds_iam TO {MASTER} WITH ADMIN OPTION;
    GRANT pg_signal_backend TO {MASTER};
"""
_OF_RDS_INSIDE = f"""
    ALTER SCHEMA public OWNER TO {MASTER};
    CREATE EXTENSION postgres_fdw;
    GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {MASTER};
"""


@dataclass(frozen=True)
class Cluster:
    server: postgres.Server
    programs: postgres_home.Home

    @property
    def port(self) -> int:
        return self.server.port

    def url(self, user: str | None = None, port: int | None = None) -> str:
        """Of the superuser, whom no cluster of AWS has, if no user is named."""
        changed: dict[str, Any] = {"database": roles.DATABASE, "port": port or self.port}
        if user:
            changed |= {"username": user, "password": PASSWORD}
        return make_url(self.server.url)._replace(**changed).render_as_string(hide_password=False)

    def execute(self, statement: str, *values: Any, user: str | None = None) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url(user))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def dump(self, file: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={file}", self.url())

    def restore(self, file: Path) -> None:
        """In place of what there is, as a restore makes a new cluster."""
        self.make_empty()
        self._run("pg_restore", "--exit-on-error", f"--dbname={self.url()}", str(file))

    def make_empty(self) -> None:
        """The database with its owner, and without anything in it but what rds_superuser may make."""
        with closing(psycopg2.connect(self.server.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {roles.DATABASE} WITH (FORCE)")
                cursor.execute(f"CREATE DATABASE {roles.DATABASE} OWNER {MASTER} TEMPLATE template0")

    def prepare(self) -> None:
        with closing(psycopg2.connect(self.server.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("ALTER SYSTEM SET fsync = off")
                cursor.execute("SELECT pg_reload_conf()")
                cursor.execute(_OF_RDS)
        self.make_empty()
        self.execute(_OF_RDS_INSIDE)
        self.execute(roles.sql(), user=MASTER)
        for user in roles.USERS:
            self.execute(f"ALTER ROLE {user} PASSWORD '{PASSWORD}'", user=MASTER)  # stands for the token

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run([self.programs.program(program), *options], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@contextmanager
def clusters(directory: Path, *names: str) -> Iterator[dict[str, Cluster]]:
    with ExitStack() as running:
        made = {}
        for name in names:
            place = directory / name
            server = postgres.start(place, free_port(None), "unknown", directory / f"{name}.log")
            running.callback(children.stop, server.process, signal.SIGQUIT, 10)  # its data is not needed any more
            server.wait_until_ready()
            made[name] = Cluster(server, postgres_home.home(place))
            made[name].prepare()
        yield made
