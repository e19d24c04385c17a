"""The worker processes as the gateway sees them."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from local import Trouble, proxy_event
from local.api import Api
from local.workers import WorkerFailed, Workers

pytestmark = pytest.mark.usefixtures("tiny_app")


Get = Callable[[str, float], Coroutine[Any, Any, Any]]


async def _started(count: int) -> Get:
    """A function that invokes the service with a GET of a path and answers with what it said."""
    workers = Workers()
    api = Api(await workers.start(count))

    async def get(path: str, seconds: float = 20) -> Any:
        match = api.find(f"/v1{path}")
        assert match is not None
        request = proxy_event.Request("GET", f"/v1{path}", "", [], "127.0.0.1", 80)
        event = proxy_event.build(request, match, None, b"", api.binary_types)
        response = json.loads(await workers.invoke(json.dumps(event).encode(), seconds))
        return json.loads(response["body"])

    return get


def test_each_worker_does_one_thing_at_a_time() -> None:
    async def scenario() -> list[Any]:
        get = await _started(2)
        return await asyncio.gather(*(get("/pid/0.1", 20) for _ in range(6)))

    said = asyncio.run(scenario())

    assert len({one["pid"] for one in said}) == 2
    assert all(20_000 < one["left"] <= 29_000 for one in said)


def test_a_death_fails_its_own_request_only_and_the_worker_is_replaced() -> None:
    async def scenario() -> list[Any]:
        get = await _started(2)
        await asyncio.gather(get("/pid/0.1", 20), get("/pid/0.1", 20))
        paths = ["/die/0.1", "/pid/0.2", "/pid/0", "/pid/0", "/pid/0"]
        said = await asyncio.gather(*(get(path, 20) for path in paths), return_exceptions=True)
        async with asyncio.timeout(20):
            while len(await _who_answers(get)) < 2:
                pass
        return said

    died, *others = asyncio.run(scenario())

    assert isinstance(died, WorkerFailed)
    assert all("pid" in one for one in others)


async def _who_answers(get: Get) -> set[int]:
    return {one["pid"] for one in await asyncio.gather(*(get("/pid/0.1", 20) for _ in range(4)))}


def test_a_lone_worker_that_dies_leaves_those_in_line_to_its_replacement() -> None:
    async def scenario() -> list[Any]:
        get = await _started(1)
        paths = ["/die/0", "/pid/0", "/pid/0"]
        return await asyncio.gather(*(get(path, 20) for path in paths), return_exceptions=True)

    died, *others = asyncio.run(scenario())

    assert isinstance(died, WorkerFailed)
    assert len({one["pid"] for one in others}) == 1


def test_a_worker_killed_while_idle_costs_no_request() -> None:
    async def scenario() -> tuple[int, int]:
        get = await _started(1)
        before = (await get("/pid/0", 20))["pid"]
        os.kill(before, signal.SIGKILL)
        while Path(f"/proc/{before}").exists():
            await asyncio.sleep(0.01)
        return before, (await get("/pid/0", 20))["pid"]

    before, after = asyncio.run(scenario())

    assert before != after


def test_one_that_takes_too_long_is_killed_and_replaced() -> None:
    async def scenario() -> tuple[int, int]:
        get = await _started(1)
        before = (await get("/pid/0", 20))["pid"]
        with pytest.raises(TimeoutError):
            await get("/pid/30", 0.2)
        return before, (await get("/pid/0", 20))["pid"]

    before, after = asyncio.run(scenario())

    assert before != after
    assert not Path(f"/proc/{before}").exists()


def test_one_that_only_waits_in_line_too_long_costs_no_worker() -> None:
    async def scenario() -> tuple[Any, Any]:
        get = await _started(1)
        working = asyncio.create_task(get("/pid/0.5", 20))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await get("/pid/0", 0.1)
        return await working, await get("/pid/0", 20)

    worked, after = asyncio.run(scenario())

    assert worked["pid"] == after["pid"]


def test_a_response_larger_than_lambda_takes_is_a_failure() -> None:
    async def scenario() -> Any:
        get = await _started(1)
        with pytest.raises(WorkerFailed, match="more than Lambda takes"):
            await get("/large", 20)
        return await get("/pid/0", 20)

    assert asyncio.run(scenario())["pid"]


def test_a_service_that_cannot_be_imported_says_why(tiny_app: Path) -> None:
    (tiny_app / "app.py").write_text("import no_such_module")

    with pytest.raises(Trouble, match="No module named 'no_such_module'"):
        asyncio.run(Workers().start(1))
