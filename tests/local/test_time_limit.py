"""A service that takes too long is not waited for."""

import asyncio
from typing import Any, cast

import httpx
import pytest

from local.api import Api
from local.authorizer import Authorizer, Keys
from local.gateway import Gateway
from local.rates import Rates
from local.workers import Workers


@pytest.mark.usefixtures("tiny_app")
def test_a_request_that_takes_too_long_is_answered_504_and_the_next_one_is_served(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def asked() -> list[httpx.Response]:
        workers = Workers()
        api = Api(await workers.start(1))
        gateway = Gateway(api, Authorizer(Keys("http://unused"), "nobody"), workers, Rates(100, 1), timeout=1)
        transport = httpx.ASGITransport(cast("Any", gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            answers = [await client.get("/v1/pid/20")]
            while answers[-1].status_code == 504 and len(answers) < 20:  # until there is another worker
                answers.append(await client.get("/v1/event"))
        return answers

    late, *_, served = asyncio.run(asked())

    assert (late.status_code, late.headers["Content-Type"]) == (504, "application/problem+json")
    assert late.json()["type"].endswith("/gateway-timeout")
    assert served.status_code == 200
    assert f'"request_id": "{late.json()["request_id"]}"' in capfd.readouterr().err
