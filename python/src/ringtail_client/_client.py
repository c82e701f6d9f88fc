"""The Client: a window of records that are not acked, and the thread that has the connection.

Records are numbered from 1. Those up to acked are done for good, those behind it up to sent were
written to the connection there is, those behind it up to queued wait for that:

    1 … acked │ acked+1 … sent │ sent+1 … queued
     forgotten│     to be acked, kept in frames

A new connection begins with sent = acked: what is not acked is sent again, in order.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Callable, Dict, List, Optional, Sequence, Set, Type, Union

from ._connection import Address, Connection, parse
from ._errors import NoAcks, RingtailError, Unauthorized
from ._framing import FRAMINGS, RECORD_BYTES_MAX, Answer, Answers, frame, hello, unframe

log = logging.getLogger("ringtail_client")

WRITE_BYTES = 64 << 10  # how much is handed to the socket at a time
BACKOFF_SECONDS = (0.05, 5.0)  # the shortest pause before a connection, and the longest

OnReject = Callable[[int, bytes, str], None]


@dataclass(frozen=True)
class Stats:
    """What became of the records so far. acked includes rejected; bytes is what was written, with frames."""

    queued: int
    acked: int
    rejected: int
    resent: int
    connections: int
    bytes: int

    @property
    def unacked(self) -> int:
        """How many records are not acked."""
        return self.queued - self.acked


class Client:
    """Sends records to one of several servers, one connection at a time, until each is acked.

    At least once: a record is sent again when a connection broke before its ack was read. First
    copies are in order. A Client may be used by several threads. With a `with` statement it is
    closed at the end, and aborted where the body raises.
    """

    def __init__(
        self,
        addresses: Union[str, Sequence[str]],
        *,
        framing: str = "length",
        token: str = "",
        tls: Optional[ssl.SSLContext] = None,
        ca_file: Optional[str] = None,
        window_records: int = 16384,
        window_bytes: int = 4 << 20,
        connect_timeout: float = 10.0,
        hello_timeout: float = 10.0,
        ack_timeout: Optional[float] = None,
        on_reject: Optional[OnReject] = None,
    ) -> None:
        """Take the options; the connection is made with the first record.

        addresses: tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH; tried in turn.
        framing: "length" for a server with --framing auto or length, "newline" for one with newline;
            with auto each record then has to be one JSON object.
        tls, ca_file: for tls://; a context, or the certificates to trust, in PEM.
        window_records, window_bytes: what may be unacked; more waits in send.
        connect_timeout, hello_timeout: seconds for a connection with its TLS handshake, and for
            the server's answer to the hello.
        ack_timeout: seconds without an answer that end a connection on which records wait. A server
            whose Kafka is away says nothing either, so this makes duplicates; None: never.
        on_reject: called once for each rejected record with its number, bytes and reason, by the
            Client's thread, before a flush that covers it returns. It must not call the Client.
        """
        texts = [addresses] if isinstance(addresses, str) else list(addresses)
        self._addresses: List[Address] = [parse(text) for text in texts]
        if not texts:
            raise ValueError("no address")
        if framing not in FRAMINGS:
            raise ValueError(f"framing {framing!r} is unknown; one of {', '.join(FRAMINGS)}")
        if window_records < 1 or window_bytes < 1:
            raise ValueError("window_records and window_bytes must be at least 1")
        if tls is None and any(address.tls for address in self._addresses):
            tls = ssl.create_default_context(cafile=ca_file)
        self._tls, self._framing, self._hello = tls, framing, hello(framing, token)
        self._window_records, self._window_bytes = window_records, window_bytes
        self._connect_timeout, self._hello_timeout, self._ack_timeout = connect_timeout, hello_timeout, ack_timeout
        self._on_reject = on_reject

        # All below is guarded by changed, but for at, mute, answered and pause, which are the thread's own.
        self._changed = threading.Condition()
        self._frames: Dict[int, bytes] = {}  # by number: every look-up is one
        self._told: Set[int] = set()  # rejected and not acked: on_reject has heard
        self._acked = self._sent = self._queued = self._frames_bytes = 0
        self._first_time = 0  # the highest number that was ever sent
        self._rejected = self._resent = self._connections = self._bytes = 0
        self._closing = self._aborted = self._asleep = False
        self._error: Optional[BaseException] = None  # why the Client has ended
        self._cause: Optional[BaseException] = None  # why the last connection ended

        self._at, self._mute, self._answered, self._pause = 0, set[int](), False, 0.0
        self._wakes, self._wake = socket.socketpair()
        self._wakes.setblocking(False)
        self._wake.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="ringtail-client", daemon=True)
        self._thread.start()

    def send(self, record: Union[bytes, str], timeout: Optional[float] = None) -> int:
        """Take one record, a JSON object, and return its number.

        It waits while the window is full; after timeout seconds of that it raises TimeoutError, and
        the record is not taken. ValueError: the record is empty, too large, or has a line feed in
        the framing newline.
        """
        data = (record.encode() if isinstance(record, str) else record).strip(b" \t\r\n")
        if not data or len(data) > RECORD_BYTES_MAX or (self._framing == "newline" and b"\n" in data):
            raise ValueError(f"a record must be a JSON object under 16 MiB, without a line feed in lines: {data[:60]!r}")
        framed = frame(self._framing, data)
        with self._changed:
            if not self._room(len(framed)):
                self._await(lambda: self._closing or self._room(len(framed)), timeout, "the window is full")
            if self._closing:
                raise ValueError("send on a closed Client")
            self._raise()
            self._queued += 1
            self._frames[self._queued] = framed
            self._frames_bytes += len(framed)
            self._rouse()
            return self._queued

    def flush(self, timeout: Optional[float] = None) -> None:
        """Wait until every record sent so far is acked. TimeoutError: some are not yet."""
        with self._changed:
            upto = self._queued
            self._await(lambda: self._acked >= upto, timeout, "flush")

    def close(self, timeout: Optional[float] = None) -> None:
        """Take no more records, wait until all are acked, and end.

        After timeout seconds it aborts, and raises TimeoutError, which says how many are not acked.
        """
        try:
            with self._changed:
                self._closing = True
                self._rouse()
                self._await(lambda: self._acked == self._queued, timeout, "close")
        finally:
            self.abort()

    def abort(self) -> None:
        """End at once. What is not acked may be in Kafka or not."""
        with self._changed:
            self._closing = self._aborted = self._asleep = True  # it may wait for room in the socket
            self._rouse()
        if threading.current_thread() is not self._thread:
            self._thread.join(self._connect_timeout + 1)  # a connection that is being made has its time

    def stats(self) -> Stats:
        """The figures so far."""
        with self._changed:
            return Stats(self._queued, self._acked, self._rejected, self._resent, self._connections, self._bytes)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    # What follows needs changed to be held.

    def _room(self, size: int) -> bool:
        return len(self._frames) < self._window_records and (not self._frames or self._frames_bytes + size <= self._window_bytes)

    def _rouse(self) -> None:
        """Wake the thread if it sleeps."""
        if self._asleep:
            self._asleep = False
            try:
                self._wake.send(b"\0")
            except OSError:
                pass  # wakes enough are on their way, or it has ended
        self._changed.notify_all()

    def _await(self, done: Callable[[], bool], timeout: Optional[float], what: str) -> None:
        """Wait for done; an end of the Client, or of the time, is raised."""
        in_time = self._changed.wait_for(lambda: done() or self._aborted or self._error is not None, timeout)
        if done():
            return
        self._raise()
        if not in_time:
            why = f"; the last connection ended: {self._cause}" if self._cause else ""
            raise TimeoutError(f"{what}: {self._queued - self._acked} records are not acked{why}")

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
        if self._aborted:
            raise RingtailError(f"aborted with {self._queued - self._acked} records not acked")

    def _chunk(self) -> bytes:
        """The next frames to write, and they count as sent."""
        parts: List[bytes] = []
        size = 0
        while self._sent < self._queued and size < WRITE_BYTES:
            self._sent += 1
            parts.append(self._frames[self._sent])
            size += len(parts[-1])
        self._resent += max(0, min(self._first_time, self._sent) - (self._sent - len(parts)))
        self._first_time = max(self._first_time, self._sent)
        self._bytes += size
        return b"".join(parts)

    # What follows is the thread's own.

    def _run(self) -> None:
        try:
            while self._work():
                try:
                    self._session(self._addresses[self._at])
                    self._cause = None
                except (OSError, ValueError) as why:
                    self._lost(why)
        except BaseException as why:  # whoever waits gets it
            with self._changed:
                self._error = why
                self._changed.notify_all()
        finally:
            self._wakes.close()
            self._wake.close()

    def _work(self) -> bool:
        """Wait for a record to be acked; False: there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._aborted or self._closing or self._queued > self._acked)
            return not self._aborted and self._queued > self._acked

    def _lost(self, why: Exception) -> None:
        """A connection has ended, or was not made: the next address, after a pause."""
        address = self._addresses[self._at]
        self._at = (self._at + 1) % len(self._addresses)
        with self._changed:
            self._cause = why
            left = self._queued - self._acked
            if not left:
                return
            log.warning("%s: %s; %d records are not acked", address.text, why, left)
            least, most = BACKOFF_SECONDS
            self._pause = min(max(2 * self._pause, least), most)
            self._changed.wait_for(lambda: self._aborted, self._pause * random.uniform(0.5, 1))

    def _session(self, address: Address) -> None:
        """Use one connection up."""
        answers = Answers(self._framing)
        connection = self._connect(address)
        try:
            self._say_hello(connection, answers)
            with self._changed:
                base = self._sent = self._acked
                self._connections += 1
            self._exchange(connection, answers, base)
        finally:
            connection.close()

    def _connect(self, address: Address) -> Connection:
        try:
            return Connection(address, self._tls if address.tls else None, self._connect_timeout, self._wakes)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            raise  # it was closed: the server may be stopping, or have no place
        except ssl.SSLError as why:
            raise self._mistake(f"the TLS handshake failed: {why}") from None

    def _mistake(self, what: str, error: Type[RingtailError] = NoAcks) -> OSError:
        """What no patience mends: the Client ends with it when it is so at each address, and never was otherwise."""
        self._mute.add(self._at)
        if not self._answered and len(self._mute) == len(self._addresses):
            where = ", ".join(address.text for address in self._addresses)
            ask = "; is it `ringtail serve --ack kafka`, with this framing?" if error is NoAcks else "."
            raise error(f"{where}: {what}{ask} No record was sent") from None
        return OSError(what)

    def _say_hello(self, connection: Connection, answers: Answers) -> None:
        """Send no record before the server has said that it acks."""
        out = memoryview(self._hello)
        end = time.monotonic() + self._hello_timeout
        heard = b""
        while True:
            with self._changed:
                if self._aborted:
                    raise OSError("aborted")
            out = out[connection.send(out):] if out else out
            left = end - time.monotonic()
            if left <= 0:
                raise self._mistake(f"no answer to the hello in {self._hello_timeout:g} s")
            connection.wait(bool(out), left)
            try:
                data = connection.receive()
            except ssl.SSLError as why:  # where TLS 1.3 says that it wants a certificate
                raise self._mistake(str(why)) from None
            if data == b"":
                raise OSError("the server closed the connection before it answered")
            heard += data or b""
            try:
                answer = next(answers.feed(data or b""), None)
            except ValueError:
                raise self._mistake(f"it answers {heard[:64]!r}") from None
            if answer == Answer(1, "unauthorized"):
                raise self._mistake("the server does not know the token", Unauthorized)
            if answer == Answer(0, ""):
                self._answered = True
                self._mute.clear()
                return
            if answer is not None:
                raise self._mistake(f"it answers {heard[:64]!r} to no record")

    def _exchange(self, connection: Connection, answers: Answers, base: int) -> None:
        """Write what is queued and read what is answered, until all is acked and the Client closes."""
        out = memoryview(b"")
        half_closed = False
        heard = time.monotonic()
        while True:
            with self._changed:
                if self._aborted or (self._closing and self._acked == self._queued):
                    return
                out = out or memoryview(self._chunk())
                waiting, self._asleep = self._sent > self._acked, not out
                last = self._closing and not out
            if last and not half_closed:
                connection.half_close()
                half_closed = True
            connection.wait(bool(out), self._ack_timeout if waiting else None)
            data = connection.receive()  # first: what was answered before the connection broke counts
            while data:
                heard = time.monotonic()
                self._hear(answers, data, base)
                data = connection.receive()
            if data == b"":
                return self._ended()
            if not waiting:
                heard = time.monotonic()
            elif self._ack_timeout is not None and time.monotonic() - heard >= self._ack_timeout:
                raise OSError(f"no answer in {self._ack_timeout:g} s")
            out = out[connection.send(out):] if out else out

    def _ended(self) -> None:
        with self._changed:
            if self._queued > self._acked:
                raise OSError("the server closed the connection")

    def _hear(self, answers: Answers, data: bytes, base: int) -> None:
        for answer in answers.feed(data):
            number = base + answer.number
            if answer.reason:
                self._reject(number, answer.reason)
                continue
            with self._changed:
                if not self._acked <= number <= self._sent:
                    raise ValueError(f"an acked that cannot be: {answer.number}")
                for done in range(self._acked + 1, number + 1):
                    self._frames_bytes -= len(self._frames.pop(done))
                    self._told.discard(done)
                if number > self._acked:
                    self._pause = 0.0
                    self._acked = number
                    self._changed.notify_all()

    def _reject(self, number: int, reason: str) -> None:
        with self._changed:
            if not self._acked < number <= self._sent:
                raise ValueError(f"a rejected that cannot be: {number}")
            if number in self._told:
                return
            self._told.add(number)
            self._rejected += 1
            record = unframe(self._framing, self._frames[number])
        if self._on_reject is not None:
            self._on_reject(number, record, reason)
