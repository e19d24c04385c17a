"""Real PostgreSQL from a wheel, as a child process."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from local import Trouble, children
from local.postgres_home import Home, home

NAME = "tim"
"""Of the user and of the database."""

_START_SECONDS = 30


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    password: str
    log: Path

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}:{self.password}@127.0.0.1:{self.port}/{NAME}"

    def wait_until_ready(self) -> None:
        """Answers, and has its database."""
        trouble = f"PostgreSQL does not start; {self.log} says why."
        children.wait_until(self._answers, _START_SECONDS, trouble)

    def stop(self) -> None:
        children.stop(self.process, signal.SIGINT, 10)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise Trouble(f"PostgreSQL ended while starting; {self.log} says why.")
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError as error:
            if "does not exist" in str(error):
                self._create_database()
                return True
            return False
        return True

    def _create_database(self) -> None:
        connection = psycopg2.connect(self.url.removesuffix(NAME) + "postgres")
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {NAME}")
        connection.close()


def start(directory: Path, port: int, password: str, log: Path, *, keep_open: tuple[int, ...] = ()) -> Server:
    """Makes the cluster on first use; does not wait until it answers. `keep_open` are descriptors it inherits. Raises
    Trouble when the cluster is another's or in use."""
    place = home(directory)
    with log.open("ab") as output:
        if not place.cluster.exists():
            _initialise(place, password, output.fileno(), keep_open)
        _check_version(place)
        _forget_the_dead(place.cluster)
        process = children.spawn(
            _command(place, port),
            at_parents_death=signal.SIGINT,
            pass_fds=keep_open,
            stdout=output,
            stderr=output,
            **place.process_options(),
        )
    return Server(process, port, password, log)


def _check_version(place: Home) -> None:
    """Raises Trouble for a cluster of another major version, which PostgreSQL cannot open, or of none."""
    try:
        made_by = (place.cluster / "PG_VERSION").read_text().strip()
    except OSError:
        raise Trouble(f"The database in {place.cluster} is damaged: it has no PG_VERSION. Restore a backup.") from None
    if made_by != place.major_version:
        raise Trouble(
            f"The database in {place.cluster} was made by PostgreSQL {made_by}, and this checkout runs PostgreSQL"
            f" {place.major_version}. Serve it with the checkout that made it, or bring it over with pg_dump."
        )


def _forget_the_dead(cluster: Path) -> None:
    """Removes the pid file of a killed server when its number is another program's now, or nobody has reaped the
    server, as in a container without an init process: PostgreSQL would take it for alive. Raises Trouble when it is,
    be it on this cluster or on the one that this was copied from."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid, its_cluster = pid_file.read_text().splitlines()[:2]
        command = Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return  # there is no such file or process
    if os.fsencode(its_cluster) not in command:
        pid_file.unlink()
    elif its_cluster == str(cluster):
        raise Trouble(f"PostgreSQL (process {pid}) still runs on {cluster}. End that process and try again.")
    else:
        raise Trouble(
            f"{cluster} was copied while PostgreSQL (process {pid}) ran on {its_cluster}, so it may be damaged. Stop"
            " what serves that, and copy it again."
        )


def _command(place: Home, port: int) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "shared_buffers": "256MB",
        "max_connections": "100",
        # Errors and their statements hold what callers wrote; "log" is above "error".
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [place.program("postgres"), "-D", str(place.cluster), *options]


def _initialise(place: Home, password: str, output: int, keep_open: tuple[int, ...]) -> None:
    """Beside its final place, so that one broken off half-way is not taken for a cluster."""
    draft = place.directory / "cluster.new"
    shutil.rmtree(draft, ignore_errors=True)
    password_file = place.directory / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    place.own(password_file)
    command = [place.program("initdb"), "-D", str(draft), "-U", NAME, f"--pwfile={password_file}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        made = children.spawn(command, pass_fds=keep_open, stdout=output, stderr=output, **place.process_options())
        if made.wait() != 0:
            raise Trouble("PostgreSQL cannot make its database cluster; the end of its log says why.")
    finally:
        password_file.unlink()
    draft.rename(place.cluster)
