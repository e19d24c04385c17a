"""Runs the AWS emulator behind our front, and so that it ends in time, whoever is still connected.

It writes its state last of all. From Python 3.12 on, the step before that waits for every open connection: one client
that stalled in the middle of an upload would keep it from ever getting there.
"""

import asyncio
import contextlib
from asyncio.base_events import Server

from ministack import app

from local import emulator_disk
from local.front.install import install

_CONNECTIONS_SECONDS = 1

_wait_without_limit = Server.wait_closed


async def _wait_closed(server: Server) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_wait_without_limit(server), _CONNECTIONS_SECONDS)


if __name__ == "__main__":
    Server.wait_closed = _wait_closed  # type: ignore[assignment, method-assign]
    emulator_disk.install()
    install(app)
    app.main()
