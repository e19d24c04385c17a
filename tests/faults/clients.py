"""Clients that write without pause, each what is its own, and remember what they were promised."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from local.tokens import Stack
from tests.faults.caller import Caller, pause
from tests.faults.deeds import Deeds
from tests.faults.image_deeds import ImageDeeds
from tests.faults.promises import Promises
from tests.faults.tag_deeds import TagDeeds
from tests.faults.timeline import Timeline

CLIENTS = 4
SECONDS_BETWEEN = 0.02
"""On average, of two requests of one client: the machine is to bear the faults as well."""


class Client(threading.Thread):
    def __init__(self, deeds: Deeds, ended: threading.Event) -> None:
        super().__init__(name=deeds.name, daemon=True)
        self.failure: BaseException | None = None
        self._deeds = deeds
        self._ended = ended

    @property
    def promises(self) -> Promises:
        return self._deeds.promises

    @property
    def caller(self) -> Caller:
        return self._deeds.caller

    def run(self) -> None:
        images, tags = ImageDeeds(self._deeds), TagDeeds(self._deeds)
        deeds = [images.add_tag, images.take_off_tag, images.replace] * 5
        deeds += [images.register, images.bin_or_restore] * 3
        deeds += [images.one_shot, images.look] * 2
        deeds += [tags.create, tags.rename, tags.delete, tags.merge]
        try:
            while not self._ended.is_set():
                self._deeds.random.choice(deeds)()
                pause(self._deeds.random.uniform(0, 2 * SECONDS_BETWEEN))
        except BaseException as failure:  # noqa: BLE001  the main thread raises it
            self.failure = failure
        finally:
            self.caller.close()


@contextmanager
def writing(stack: Stack, timeline: Timeline) -> Iterator[list[Client]]:
    """As long as this lasts, and until each has got its last answer. Raises what went wrong with a client."""
    ended = threading.Event()
    callers = [Caller(stack, timeline) for _ in range(CLIENTS)]
    clients = [Client(Deeds(f"client{number}", caller), ended) for number, caller in enumerate(callers)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        ended.set()
        for client in clients:
            client.join()
    for client in clients:
        if client.failure is not None:
            raise client.failure
