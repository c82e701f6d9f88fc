"""Addresses, and one connection to one of them that does not block."""

from __future__ import annotations

import selectors
import socket
import ssl
from typing import NamedTuple, Optional, Union


class Address(NamedTuple):
    """Where a server is: for unix only path is set, else host and port."""

    text: str
    tls: bool
    host: str = ""
    port: int = 0
    path: str = ""


def parse(text: str) -> Address:
    """Understand tcp://HOST:PORT, HOST:PORT, tls://HOST:PORT, unix:///PATH or a path."""
    kind, _, rest = text.rpartition("://")
    if (kind == "unix" and rest) or (not kind and "/" in rest):
        return Address(text, False, path=rest)
    host, _, port = rest.rpartition(":")
    if kind not in ("", "tcp", "tls") or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is no address: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH")
    return Address(text, kind == "tls", host.strip("[]"), int(port))


class Connection:
    """A socket, with TLS or without. Only one thread may use it."""

    def __init__(self, address: Address, context: Optional[ssl.SSLContext], timeout: float, wake: socket.socket) -> None:
        """Connect within timeout seconds. What can be read from wake ends a wait."""
        if address.path:
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(timeout)
        else:
            plain = socket.create_connection((address.host, address.port), timeout)
        self._socket: Union[socket.socket, ssl.SSLSocket] = plain
        self._selector = selectors.DefaultSelector()
        try:
            if address.path:
                plain.connect(address.path)
            else:  # what is written has been gathered already
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if context is not None:
                self._socket = context.wrap_socket(plain, server_hostname=address.host)
            self._socket.setblocking(False)
            self._events = selectors.EVENT_READ
            self._selector.register(self._socket, self._events)
            self._selector.register(wake, selectors.EVENT_READ)
        except BaseException:
            self.close()
            raise
        self._wake = wake

    def wait(self, write: bool, timeout: Optional[float]) -> bool:
        """Wait until there is something to read, or room to write, or a wake: whether any came in time."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if events != self._events:
            self._selector.modify(self._socket, events)
            self._events = events
        ready = self._selector.select(timeout)
        if any(key.fileobj is self._wake for key, _ in ready):
            self._wake.recv(4096)
        return bool(ready)

    def receive(self) -> Optional[bytes]:
        """What has come; None: nothing has; empty: the server has ended its side."""
        try:
            return self._socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def send(self, data: memoryview) -> int:
        """Write what there is room for, and return how many bytes that was."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def half_close(self) -> None:
        """End our side: nothing more is sent, and answers still come."""
        # SSLSocket's own shutdown would stop the decryption, too. The server takes a FIN for the end.
        socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def close(self) -> None:
        """End both sides."""
        self._selector.close()
        self._socket.close()
