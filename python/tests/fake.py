"""A scripted server: what a Ringtail may do to a client, and what it may not."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from typing import Callable, List, Optional


class Peer:
    """One connection, as the server has it. It speaks the framing newline, or length."""

    def __init__(self, sock: socket.socket, framing: str) -> None:
        self.sock, self.framing, self.buffer = sock, framing, b""
        self.records: List[bytes] = []

    def take(self) -> Optional[bytes]:
        """The next frame's record, None at the end."""
        while True:
            if self.framing == "newline":
                head, found, rest = self.buffer.partition(b"\n")
                if found:
                    self.buffer = rest
                    return head
            elif len(self.buffer) >= 4:
                end = 4 + int.from_bytes(self.buffer[:4], "big")
                if len(self.buffer) >= end:
                    record, self.buffer = self.buffer[4:end], self.buffer[end:]
                    return record
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buffer += data

    def take_records(self, count: int) -> None:
        """Take so many more records, or up to the end."""
        for _ in range(count):
            record = self.take()
            if record is None:
                return
            self.records.append(record)

    def say(self, **answer: object) -> None:
        text = json.dumps(answer, separators=(",", ":")).encode()
        self.raw(text + b"\n" if self.framing == "newline" else struct.pack(">I", len(text)) + text)

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def take_hello(self) -> None:
        self.take()

    def answer_hello(self) -> None:
        blank = self.take()
        assert blank is not None and not blank.strip(), f"{blank!r} is no hello"
        self.say(acked=0)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def until_end(self) -> None:
        """Ack each record when it comes, until the client ends."""
        while True:
            record = self.take()
            if record is None:
                return
            self.records.append(record)
            self.say(acked=len(self.records))


Act = Callable[[Peer], None]


class Fake:
    """Plays one act a connection, the last one again and again. It is a context manager."""

    def __init__(self, *acts: Act, framing: str = "length", context: Optional[ssl.SSLContext] = None) -> None:
        self.acts, self.framing, self.context = list(acts), framing, context
        self.peers: List[Peer] = []
        self.errors: List[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"{'tls' if context else 'tcp'}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            if not self.acts:
                sock.close()
                return
            act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
            try:
                if self.context:
                    sock = self.context.wrap_socket(sock, server_side=True)
                peer = Peer(sock, self.framing)
                self.peers.append(peer)
                act(peer)
            except OSError:
                pass  # the client has ended
            except AssertionError as why:
                self.errors.append(str(why))
            finally:
                sock.close()

    def records(self) -> List[bytes]:
        """All that was taken, in order of coming."""
        return [record for peer in self.peers for record in peer.records]

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        self.acts = []
        for peer in self.peers:  # a test that has failed may have left a client
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed
        socket.create_connection(self.listener.getsockname()).close()  # wakes accept
        self.thread.join()
        self.listener.close()
        assert not self.errors, self.errors
