"""State directories that were copied, moved, or lost a part."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest

from local import ROOT, Trouble, postgres, postgres_home
from local.state import State
from tests.conftest import eventually, free_port
from tests.local.conftest import Stack, fresh_directory

_FAKETIME = find_spec("libfaketime")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL lies outside of a private home")


@pytest.fixture
def directory() -> Iterator[Path]:
    with fresh_directory() as directory:
        yield directory


@pytest.fixture
def private(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that only root may enter; what lies outside of it lies beside it."""
    (directory / "outside").mkdir()
    monkeypatch.setattr(postgres_home, "OUTSIDE", directory / "outside")
    (directory / "private").mkdir(mode=0o700)
    return directory / "private"


def _place(state: Path) -> Path:
    state.mkdir(exist_ok=True)
    return postgres_home.home(state / "postgres").directory


def _copy(state: Path) -> Path:
    copy = state.with_name("copy")
    subprocess.run(["cp", "-a", state, copy], check=True)
    return copy


@root_only
def test_a_copy_of_a_state_directory_is_refused_the_database_of_the_original(private: Path) -> None:
    place = _place(private / "state")
    copy = _copy(private / "state")

    with pytest.raises(Trouble) as refusal:
        _place(copy)

    assert str(refusal.value).startswith(f"{copy} is a copy of {private / 'state'}")
    assert str(place) in str(refusal.value)
    assert _place(private / "state") == place


@root_only
def test_a_copy_has_a_database_of_its_own_once_the_commands_of_the_refusal_were_run(private: Path) -> None:
    place = _place(private / "state")
    (place / "cluster").mkdir()
    copy = _copy(private / "state")
    with pytest.raises(Trouble) as refusal:
        _place(copy)

    subprocess.run(str(refusal.value).split("run: ")[1], shell=True, check=True)

    own = _place(copy)
    assert own != place
    assert (own / "cluster").is_dir()
    assert _place(private / "state") == place


@root_only
def test_a_moved_state_directory_keeps_its_database(private: Path) -> None:
    place = _place(private / "state")
    (private / "state").rename(private / "moved")

    assert _place(private / "moved") == place
    shutil.copytree(private / "moved", private / "state", symlinks=True)
    with pytest.raises(Trouble, match="is a copy of"):
        _place(private / "state")


@root_only
def test_a_state_directory_by_another_name_keeps_its_database(private: Path) -> None:
    place = _place(private / "state")
    (private / "alias").symlink_to(private / "state")

    assert _place(private / "alias") == place


@root_only
def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(private: Path) -> None:
    place = _place(private / "state")
    shutil.rmtree(place)

    with pytest.raises(Trouble, match=f"database of {private / 'state'} was in {place}, which is gone"):
        _place(private / "state")


def _clean(state: Path) -> str:
    """Returns what `make clean` prints in a checkout that has nothing else to remove."""
    checkout = state.parent / "checkout"
    checkout.mkdir(exist_ok=True)
    shutil.copy(ROOT / "Makefile", checkout)
    command = ["make", "-C", str(checkout), "clean", f"STATE={state}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@root_only
def test_make_clean_of_a_copy_leaves_the_database_of_the_original(private: Path) -> None:
    place = _place(private / "state")
    copy = _copy(private / "state")

    _clean(copy)
    assert place.is_dir()
    assert not copy.exists()

    _clean(private / "state")
    assert not place.exists()


@root_only
def test_make_clean_of_a_moved_state_directory_leaves_its_database_until_it_was_served(private: Path) -> None:
    place = _place(private / "state")
    (private / "state").rename(private / "moved")
    shutil.copytree(private / "moved", private / "served", symlinks=True)

    assert str(place) in _clean(private / "moved")
    assert place.is_dir()

    assert _place(private / "served") == place
    _clean(private / "served")
    assert not place.exists()


@pytest.fixture
def server(directory: Path) -> Iterator[postgres.Server]:
    """PostgreSQL alone, running."""
    server = postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")
    server.wait_until_ready()
    yield server
    server.stop()


def test_a_second_server_is_refused_while_the_first_runs(directory: Path, server: postgres.Server) -> None:
    with pytest.raises(Trouble, match=f"PostgreSQL .process {server.process.pid}. still runs on"):
        postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")

    assert (directory / "postgres" / "cluster" / "postmaster.pid").exists()
    assert server.process.poll() is None


def test_a_copy_of_a_database_that_is_in_use_is_refused(directory: Path, server: postgres.Server) -> None:
    subprocess.run(["cp", "-a", directory / "postgres", directory / "copy"], check=True)

    with pytest.raises(Trouble, match=f"copied while PostgreSQL .process {server.process.pid}. ran on {directory}"):
        postgres.start(directory / "copy", free_port(), "unknown", directory / "log")


def test_a_server_that_was_killed_and_that_nobody_has_reaped_is_no_obstacle(directory: Path) -> None:
    """As in a container without an init process."""
    first = postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")
    first.wait_until_ready()
    os.kill(first.process.pid, 9)
    stat = Path(f"/proc/{first.process.pid}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", of="a zombie")

    second = postgres.start(directory / "postgres", first.port, "unknown", directory / "log")
    second.wait_until_ready()
    second.stop()
    first.process.wait()


def test_another_program_under_the_number_of_a_killed_server_is_no_obstacle(directory: Path) -> None:
    first = postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")
    first.wait_until_ready()
    first.stop()
    pid_file = directory / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")

    second = postgres.start(directory / "postgres", first.port, "unknown", directory / "log")
    second.wait_until_ready()
    second.stop()


def test_a_database_of_another_major_version_is_refused(directory: Path) -> None:
    first = postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")
    first.wait_until_ready()
    first.stop()
    (directory / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")

    with pytest.raises(Trouble, match="was made by PostgreSQL 17, and this checkout runs PostgreSQL 18"):
        postgres.start(directory / "postgres", free_port(), "unknown", directory / "log")


@pytest.mark.parametrize("part", ["secrets.json", "emulator"])
def test_a_state_directory_that_lost_a_part_is_refused(directory: Path, part: str) -> None:
    state = State(directory / "state")
    state.prepare()
    state.secrets()
    (state.directory / "emulator").mkdir()
    (state.directory / "postgres" / "cluster").mkdir(parents=True)
    state.prepare()
    (state.directory / part).rename(directory / part)

    with pytest.raises(Trouble, match=f"{part} is missing from {state.directory}, though its database is there"):
        state.prepare()


@pytest.mark.parametrize("content", ["", "[]", '{"database_url": '])
def test_a_description_of_the_last_run_that_cannot_be_read_is_as_none(directory: Path, content: str) -> None:
    state = State(directory / "state")
    state.prepare()
    state.stack_file.write_text(content)

    assert state.stack() == {}


def test_secrets_that_cannot_be_read_are_refused(directory: Path) -> None:
    state = State(directory / "state")
    state.prepare()
    (state.directory / "secrets.json").write_text("{")

    with pytest.raises(Trouble, match=r"secrets.json in .*/state is not valid JSON"):
        state.secrets()


def _serve(state: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "local", "serve", "--port", str(free_port()), "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_state_directory_that_cannot_be_made_is_one_clear_sentence(directory: Path) -> None:
    (directory / "file").touch()

    refused = _serve(directory / "file" / "state")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"{directory}/file/state cannot be used for the state (not a directory).\n"


def test_a_database_that_was_changed_by_hand_is_one_clear_sentence(a_stack: Stack) -> None:
    a_stack.start()
    with closing(psycopg2.connect(a_stack.description["database_url"])) as database, database:
        database.cursor().execute("DROP INDEX tags_by_folded")
    assert a_stack.end(signal.SIGTERM) == 0

    assert a_stack.spawn().wait(60) == 1

    said = a_stack.said.splitlines()[-1]
    assert said.startswith("The schema of the database is not the one that this version of the code needs:")
    assert "index tags.tags_by_folded is missing. Undo what was changed" in said
    assert "Ready" not in a_stack.said


def test_a_database_of_a_newer_version_is_one_clear_sentence(a_stack: Stack) -> None:
    a_stack.start()
    with closing(psycopg2.connect(a_stack.description["database_url"])) as database, database:
        database.cursor().execute("UPDATE alembic_version SET version_num = '9998'")
    assert a_stack.end(signal.SIGTERM) == 0

    assert a_stack.spawn().wait(60) == 1

    said = a_stack.said.splitlines()[-1]
    assert said.startswith("The database is at revision 9998, which this version of the code does not know")
    assert "Ready" not in a_stack.said


def test_a_clock_before_2024_is_one_clear_sentence(directory: Path) -> None:
    library = next(Path(str(_FAKETIME and _FAKETIME.origin)).parent.rglob("libfaketime.so.1"))

    refused = _serve(directory / "state", "env", f"LD_PRELOAD={library}", "FAKETIME=2023-12-31 12:00:00")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("The clock of this machine says 2023-12-31")
