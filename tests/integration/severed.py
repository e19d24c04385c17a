"""A line to PostgreSQL that breaks during a COMMIT: the change is made, and its answer reaches no client. It can break
at another statement instead, or fall silent, as when the machine at the other end, or the network between, is gone."""

import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL

_ATTACH_FILTER = 26
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
"""A socket filter (BPF) of one instruction: keep 0 bytes. The kernel then drops each packet that comes for the socket
before it acknowledges it: https://docs.kernel.org/networking/filter.html"""


class Line:
    """Forwards connections to the database at `url`. While `breaks` is set, it breaks a connection that sends the
    statement. With `once`, that clears `breaks`. Falls silent after what is in `last_words`, if anything is."""

    def __init__(self, url: URL, statement: bytes = b"COMMIT", *, once: bool = True) -> None:
        self._statement, self._once = statement, once
        self._upstream = (url.host or "", url.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self.breaks = threading.Event()
        self.broken = 0
        self.last_words: bytes | None = None
        self._clients: list[socket.socket] = []

    @contextmanager
    def open(self) -> Iterator["Line"]:
        threading.Thread(target=self._accept, daemon=True).start()
        yield self
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._carry, args=[client], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._upstream) as server:
            threading.Thread(target=_copy, args=[server, client], daemon=True).start()
            while said := client.recv(65536):
                if self._statement in said and self.breaks.is_set():
                    self._break(client, server, said)
                    return
                server.sendall(said)
                if self.last_words and self.last_words in said:
                    self.fall_silent()
            server.shutdown(socket.SHUT_RDWR)

    def fall_silent(self) -> None:
        """Take nothing more from the clients that are connected, and acknowledge nothing."""
        for client in self._clients:
            with suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(_DROP)))

    def _break(self, client: socket.socket, server: socket.socket, said: bytes) -> None:
        """First towards the client, so that the answer has nowhere to go."""
        if self._once:
            self.breaks.clear()
        self.broken += 1
        client.shutdown(socket.SHUT_RDWR)
        server.sendall(said)
        server.shutdown(socket.SHUT_WR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            target.sendall(said)
        target.shutdown(socket.SHUT_RDWR)
