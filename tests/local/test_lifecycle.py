"""`make serve` from start to end, and through every kind of death."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg2
import pytest

from local import ROOT, Trouble
from tests.conftest import aws_client, eventually
from tests.local.conftest import Stack, open_files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def _names(client: httpx.Client) -> list[str]:
    response = client.get("tags")
    assert response.status_code == 200, response.text
    return [tag["name"] for tag in response.json()["results"]]


@contextmanager
def _taken(port: int) -> Iterator[None]:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        yield


def test_a_taken_port_is_one_clear_sentence(a_stack: Stack) -> None:
    with _taken(a_stack.port):
        code = a_stack.spawn().wait(10)

    assert code == 1
    assert a_stack.said.startswith(f"Port {a_stack.port} cannot be used (address already in use)")
    assert a_stack.said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("EXTRA_ATTRIBUTES", "PatientID", "EXTRA_ATTRIBUTES names elements that may identify people: PatientID."),
        ("AUTO_TAGS", "{Nonsense}", "AUTO_TAGS names attributes that no image has: Nonsense."),
        ("DOWNLOAD_URL_SECONDS", "604801", "The environment is not set up: DOWNLOAD_URL_SECONDS: "),
    ],
)
def test_a_setting_that_would_break_the_service_is_refused_at_the_start(
    a_stack: Stack, monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)

    code = a_stack.spawn().wait(60)

    assert code == 1
    assert a_stack.said.splitlines()[-1].startswith(complaint)
    assert "Ready" not in a_stack.said
    assert a_stack.processes() == {}


def test_a_state_in_use_is_one_clear_sentence_and_the_other_goes_on(running: Stack) -> None:
    assert running.process is not None
    holder = running.process.pid

    command = [sys.executable, "-m", "local", "serve", "--port", "1", "--state", str(running.state)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)

    assert second.returncode == 1
    assert second.stderr == f"{running.state} is in use by another `make serve` (process {holder}).\n"
    assert second.stdout == ""
    with running.client() as client:
        assert _names(client) == []


def test_after_ctrl_c_nothing_is_left_and_a_restart_has_all_data_and_addresses(a_stack: Stack) -> None:
    a_stack.start()
    before = a_stack.description
    with a_stack.client() as client:
        assert client.post("tags", json={"name": "kept"}).status_code == 201

    assert a_stack.end(signal.SIGINT) == 0
    assert a_stack.said.endswith("Stopped.\n")
    assert a_stack.processes() == {}

    a_stack.start()
    assert a_stack.description | {"pid": 0} == before | {"pid": 0}
    with a_stack.client() as client:
        assert _names(client) == ["kept"]


def test_kill_9_of_the_parent_leaves_no_child_and_loses_no_data(a_stack: Stack) -> None:
    a_stack.start()
    before = a_stack.description
    with a_stack.client() as client, a_stack.client("admin") as admin:
        assert client.post("tags", json={"name": "kept"}).status_code == 201
        eventually(lambda: admin.get("access-log").json()["results"], of="the record in the access log")

    a_stack.end(signal.SIGKILL)
    eventually(lambda: not a_stack.processes(), within=10, of="the end of every child")

    a_stack.start()
    assert a_stack.description["user_pool_id"] == before["user_pool_id"]
    with a_stack.client() as client, a_stack.client("admin") as admin:
        assert _names(client) == ["kept"]
        assert any(record["method"] == "POST" for record in admin.get("access-log").json()["results"])


def test_a_start_right_after_kill_9_waits_for_the_dying(a_stack: Stack) -> None:
    a_stack.start()

    a_stack.end(signal.SIGKILL)
    a_stack.start()

    with a_stack.client() as client:
        assert _names(client) == []


@pytest.mark.parametrize(
    "part",
    [
        "bin/postgres",
        "-m local.run_ministack",
        "-m local.gateway",
        "-m local.delivery storage",
        "-m local.delivery inspection",
        "-m local.schedules",
    ],
)
def test_a_part_that_is_killed_is_replaced(a_stack: Stack, part: str) -> None:
    a_stack.start()
    with a_stack.client() as client:
        assert client.post("tags", json={"name": "kept"}).status_code == 201
    killed = a_stack.one(part)

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: "starting it again" in a_stack.said and killed not in a_stack.processes())
    eventually(lambda: _signs_in_and_reads(a_stack), within=5, of="an answer")
    with a_stack.client() as client:
        assert _names(client) == ["kept"]
    eventually(lambda: any(part in line for line in a_stack.processes().values()))


def _signs_in_and_reads(stack: Stack) -> bool:
    try:
        with stack.client() as client:
            return client.get("tags").status_code == 200
    except (Trouble, httpx.TransportError):
        return False


def test_a_killed_worker_costs_at_most_one_request(a_stack: Stack) -> None:
    a_stack.start()
    victims = [pid for pid, line in a_stack.processes().items() if "local.worker" in line]

    with a_stack.client() as client, ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(client.get, "tags") for _ in range(100)]
        os.kill(victims[0], signal.SIGKILL)
        statuses = [one.result().status_code for one in asked]

    assert set(statuses) <= {200, 502}
    assert statuses.count(502) <= 1
    eventually(lambda: sum("local.worker" in line for line in a_stack.processes().values()) == 2)
    assert len(victims) == 2


@contextmanager
def _before_the_commit(stack: Stack) -> Iterator[Callable[[], bool]]:
    """The image is inserted, and the worker waits to keep its answer. What this gives says whether it does."""
    with closing(psycopg2.connect(url := stack.description["database_url"])) as database:
        database.cursor().execute("LOCK TABLE first_answers IN SHARE MODE")
        yield lambda: _found(
            url, "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%first_answers%'"
        )


@contextmanager
def _before_the_answer(stack: Stack) -> Iterator[Callable[[], bool]]:
    """The change is committed, and the worker waits to write its access record."""
    emulator = stack.one("-m local.run_ministack")
    os.kill(emulator, signal.SIGSTOP)
    try:
        yield lambda: _found(stack.description["database_url"], "FROM images")
    finally:
        os.kill(emulator, signal.SIGCONT)


@pytest.mark.parametrize("waiting", [_before_the_commit, _before_the_answer])
def test_what_a_killed_worker_had_done_is_done_once_by_the_next_try(
    a_stack: Stack, waiting: Callable[[Stack], AbstractContextManager[Callable[[], bool]]]
) -> None:
    a_stack.start()
    headers, body = {"Idempotency-Key": "k"}, {"filename": "a.dcm", "size": 1, "tags": ["ct"]}
    workers = [pid for pid, line in a_stack.processes().items() if "local.worker" in line]

    with a_stack.client() as client, ThreadPoolExecutor() as threads:
        # Both workers have answered, and so have their credentials, which the emulator cannot give while it is stopped.
        assert {answer.status_code for answer in threads.map(lambda _: client.get("tags"), range(40))} == {200}
        with waiting(a_stack) as is_there:
            first = threads.submit(client.post, "images", json=body, headers=headers)
            eventually(is_there, of="the first try, done and waiting")
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            assert first.result().status_code == 502
        second = eventually(lambda: _unless_busy(client.post("images", json=body, headers=headers)))
        assert second is not None
        listed = client.get("images").json()["results"]

    assert second.status_code == 201
    assert [image["id"] for image in listed] == [second.json()["id"]]


def _found(url: str, what: str) -> bool:
    with closing(psycopg2.connect(url)) as database, database.cursor() as cursor:
        cursor.execute(f"SELECT {what}")
        return bool(cursor.rowcount)


def _unless_busy(response: httpx.Response) -> httpx.Response | None:
    return None if response.status_code in (409, 502) else response


def test_it_listens_on_this_machine_only(running: Stack) -> None:
    addresses = {address for pid in running.processes() for address in _listening(pid)}

    assert {host for host, _ in addresses} == {"0100007F"}
    assert len(addresses) == 3


def _listening(pid: int) -> set[tuple[str, str]]:
    """Host and port, in hexadecimal as the kernel writes them."""
    sockets = open_files(pid)
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    ours = [line[1].split(":") for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
    return {(host, port) for host, port in ours}


def test_secrets_are_for_their_owner_only(running: Stack) -> None:
    for name in ("stack.json", "secrets.json"):
        assert (running.state / name).stat().st_mode & 0o777 == 0o600
    assert running.state.stat().st_mode & 0o066 == 0


def test_a_directory_of_a_version_without_an_access_key_keeps_its_files_and_gets_a_key(a_stack: Stack) -> None:
    a_stack.start()
    first = a_stack.description
    aws_client(first, "s3").put_object(Bucket=first["bucket"], Key="kept", Body=b"kept")
    a_stack.end(signal.SIGTERM)
    for name in ("secrets.json", "stack.json"):
        content = json.loads((a_stack.state / name).read_text())
        kept = {key: value for key, value in content.items() if not key.startswith("aws_access_key_id")}
        (a_stack.state / name).write_text(json.dumps(kept))
    a_stack.start()

    now = a_stack.description
    assert now["aws_access_key_id"].startswith("AKIA")
    assert now["aws_access_key_id"] != first["aws_access_key_id"]
    assert aws_client(now, "s3").get_object(Bucket=now["bucket"], Key="kept")["Body"].read() == b"kept"
    assert now["user_pool_id"] == first["user_pool_id"]
    with a_stack.client() as client:
        assert client.get("images").status_code == 200


@pytest.mark.parametrize("user", ["editor", "machine", "machine-read", "machine-admin"])
def test_a_token_is_all_that_the_token_command_prints(running: Stack, user: str) -> None:
    printed = _token_command(running, user)

    assert printed.returncode == 0
    headers = {"Authorization": f"Bearer {printed.stdout.strip()}"}
    assert httpx.get(running.description["api_url"] + "/tags", headers=headers).status_code == 200


def test_the_token_command_says_that_there_is_no_such_user(running: Stack) -> None:
    unknown = _token_command(running, "nobody")

    assert (unknown.returncode, unknown.stdout) == (1, "")
    known = "editor, viewer, admin, newcomer, machine-read, machine, machine-admin"
    assert unknown.stderr == f"There is no user 'nobody'; there are {known}.\n"


def test_the_token_command_says_that_nothing_runs(a_stack: Stack) -> None:
    before = _token_command(a_stack, "editor")
    a_stack.start()
    a_stack.end(signal.SIGTERM)
    after = _token_command(a_stack, "editor")

    for printed in (before, after):
        assert (printed.returncode, printed.stdout) == (1, "")
        assert printed.stderr == f"Nothing runs on {a_stack.state}; start it with `make serve`.\n"


def test_an_upload_that_stalls_does_not_keep_the_emulator_from_writing_its_state(a_stack: Stack) -> None:
    a_stack.start()
    with a_stack.client("admin") as admin:
        _names(admin)
        eventually(lambda: admin.get("access-log").json()["results"], of="the record in the access log")

        draft = {"filename": "a.dcm", "size": 9, "content_type": "application/dicom"}
        image = admin.post("images", json=draft).json()

    address = urlsplit(image["upload_url"])
    lines = [f"PUT {address.path}?{address.query} HTTP/1.1", f"Host: {address.netloc}", "Content-Length: 9"]
    lines += [f"{name}: {value}" for name, value in image["upload_headers"].items()]
    with socket.create_connection((address.hostname, address.port)) as upload:
        upload.sendall("\r\n".join([*lines, "", "abc"]).encode())
        a_stack.end(signal.SIGKILL)
        eventually(lambda: not a_stack.processes(), within=8, of="the end of every child")

    a_stack.start()
    with a_stack.client("admin") as admin:
        paths = [record["path"] for record in admin.get("access-log").json()["results"]]
    assert any(path.endswith("/tags") for path in paths)


def _token_command(stack: Stack, user: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "token", "--state", str(stack.state), user]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_lines_of_two_processes_do_not_mix(tmp_path: Path, unbuffered: str) -> None:
    writing = "print('one line'); print('one line', file=sys.stderr)"
    script = f"import sys; from local import invocation; invocation.keep_lines_whole()\nfor _ in range(2000): {writing}"
    settings = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with (tmp_path / "log").open("ab") as log:
        one, other = [
            subprocess.Popen([sys.executable, "-c", script], env=settings, cwd=ROOT, stdout=log, stderr=log)
            for _ in "ab"
        ]
    assert (one.wait(20), other.wait(20)) == (0, 0)

    assert (tmp_path / "log").read_text().splitlines() == 8000 * ["one line"]
