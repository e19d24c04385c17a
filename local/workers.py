"""The gateway's side of the workers: free ones wait in line, a dead one is replaced at once."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from typing import Any

from local import Trouble, children
from local.worker import LENGTH, RESPONSE


class WorkerFailed(Exception):
    """The worker died, or its function raised: there is no response."""


class Worker:
    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.alive = True
        self._writer = writer
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen(reader))

    async def invoke(self, event: bytes) -> bytes:
        self._writer.write(LENGTH.pack(len(event)))
        self._writer.write(event)
        return await self.answer()

    async def answer(self) -> bytes:
        frame = await self._answers.get()
        if frame is None:
            raise WorkerFailed("The worker process died.")
        if frame[:1] != RESPONSE:
            raise WorkerFailed(frame[1:].decode(errors="replace"))
        return frame[1:]

    async def death(self) -> None:
        await asyncio.shield(self._listening)

    def kill(self) -> None:
        self.alive = False
        self.process.kill()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(LENGTH.size)
                self._answers.put_nowait(await reader.readexactly(LENGTH.unpack(head)[0]))
        self.kill()
        self._writer.close()
        self.process.wait()
        self._answers.put_nowait(None)


class Workers:
    def __init__(self, keep_open: tuple[int, ...] = ()) -> None:
        """`keep_open` are descriptors that every worker inherits."""
        self._keep_open = keep_open
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, count: int) -> dict[str, Any]:
        """Answers with the description of the API, or raises Trouble with the reason why there is none."""
        for _ in range(count - 1):
            self._keep(asyncio.create_task(self._start_stubbornly()))
        return await self._start_one()

    async def invoke(self, event: bytes, seconds: float) -> bytes:
        """Raises WorkerFailed; and TimeoutError, having killed the worker if one was at it."""
        async with asyncio.timeout(seconds):
            worker = await self._free_one()
            try:
                response = await worker.invoke(event)
            except asyncio.CancelledError:
                worker.kill()
                raise
            except WorkerFailed:
                self._back(worker)
                raise
        self._back(worker)
        return response

    async def _free_one(self) -> Worker:
        while not (worker := await self._idle.get()).alive:
            pass
        return worker

    def _back(self, worker: Worker) -> None:
        if worker.alive:
            self._idle.put_nowait(worker)

    async def _start_one(self) -> dict[str, Any]:
        worker = await self._spawn()
        try:
            description: dict[str, Any] = json.loads(await worker.answer())
        except WorkerFailed as failure:
            raise Trouble(f"The service does not start: {failure}") from None
        self._idle.put_nowait(worker)
        self._keep(asyncio.create_task(self._replace(worker)))
        return description

    async def _spawn(self) -> Worker:
        ours, theirs = socket.socketpair()
        process = children.spawn(
            [sys.executable, "-m", "local.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(), *self._keep_open),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        return Worker(process, *await asyncio.open_connection(sock=ours))

    async def _replace(self, worker: Worker) -> None:
        await worker.death()
        await self._start_stubbornly()

    async def _start_stubbornly(self) -> None:
        while True:
            try:
                await self._start_one()
            except Trouble as trouble:
                print(trouble, file=sys.stderr, flush=True)
                await asyncio.sleep(1)
            else:
                return

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """The event loop itself holds tasks only weakly."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
