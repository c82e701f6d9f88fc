#!/usr/bin/env python3
"""Send JSON objects, one a line, to `ringtail serve --ack kafka`, and see each one through.

At least once: after flush() or close() every record is in Kafka, or rejected. One is sent again when a connection
broke before its ack was read; Kafka may then hold it twice. First copies of one digit are in order."""
import argparse, collections, json, random, select, socket, sys, time


class NoAcks(Exception):
    """The server has taken everything and acked nothing: to send it again would double it without end."""


def target(address):
    """What to connect to: a family, and what its sockets take."""
    kind, _, rest = address.rpartition("://")
    if kind == "unix" or not kind and "/" in rest:
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if kind not in ("", "tcp") or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("%r is no address: host:port, tcp://host:port, unix:///path or a path" % address)
    return socket.AF_INET, (host.strip("[]"), int(port))


class Client:
    """One connection at a time, one thread. on_reject hears of each rejected record once; numbers count from 1."""

    def __init__(self, address, window=10000, on_reject=lambda number, record, reason: None, token=None):
        self.address, self.window, self.on_reject = address, window, on_reject
        self.target = target(address)  # a mistake ends it here; what may pass is tried again
        self.hello = token and json.dumps({"token": token}).encode() + b"\n"  # where the server has a --token-file
        self.waiting = collections.deque()  # (frame, rejected) of every record not acked, the oldest first
        self.acked = self.base = 0  # records done for good; and when this connection was made
        self.sock, self.half_closed, self.out, self.answers = None, False, bytearray(), b""
        self.closing, self.pause, self.reconnects = False, 0, -1

    def send(self, record):
        """Take one record (bytes or str). Waits while the window is full."""
        record = (record.encode() if isinstance(record, str) else record).strip(b" \t\r\n")
        # One object on one line: otherwise the server would count other records than we do.
        if b"\n" in record or not isinstance(json.loads(record.decode()), dict):
            raise ValueError("a record must be one JSON object without a newline: %.60r" % record)
        while len(self.waiting) >= self.window:
            self._step(1)
        self.waiting.append((record + b"\n", False))
        self.out += record + b"\n"
        if not self.sock or len(self.out) > 65536:
            self._step(0)

    def flush(self):
        """Wait until every record is acked."""
        while self.waiting:
            self._step(1)

    def close(self):
        """Send what is left, half-close, wait for the last ack."""
        self.closing = True
        self.flush()
        self.sock and self.sock.close()

    def _step(self, timeout):
        """Connect if need be; read and write what can be; wait for that no longer than timeout."""
        try:
            if not self.sock:
                self._connect()
            if self.closing and not self.out and not self.half_closed:
                self.half_closed = True  # once: a second time fails if the server has closed meanwhile
                self.sock.shutdown(socket.SHUT_WR)
            readable, writable, _ = select.select([self.sock], [self.sock] if self.out else [], [], timeout)
            if readable:  # first: what was answered before the connection broke counts
                self._read(self.sock.recv(65536))
            if writable:
                del self.out[:self.sock.send(self.out[:65536])]
        except (OSError, ValueError, TypeError, AttributeError) as why:  # or an answer that cannot be
            print("ringtail: %s: %s" % (self.address, why), file=sys.stderr)
            self.sock = self.sock and self.sock.close()  # None: the next one is sent what is not acked

    def _connect(self):
        time.sleep(self.pause * random.uniform(0.5, 1))
        self.pause = min(max(2 * self.pause, 0.05), 5)  # an ack sets it back to 0
        self.reconnects += 1
        family, at = self.target
        if family == socket.AF_UNIX:
            self.sock = socket.socket(family)
            self.sock.connect(at)
        else:
            self.sock = socket.create_connection(at, timeout=10)
        self.sock.setblocking(False)
        self.base, self.half_closed, self.answers = self.acked, False, b""
        self.out = bytearray(self.hello or b"") + b"".join(frame for frame, _ in self.waiting)

    def _read(self, data):
        if not data and self.half_closed and not self.acked:
            raise NoAcks("it took %d records and acked none: is it set to --ack kafka?" % len(self.waiting))
        if not data:
            raise OSError("closed by the server with %d records not acked" % len(self.waiting))
        *lines, self.answers = (self.answers + data).split(b"\n")  # only a whole line is an answer
        for answer in map(json.loads, lines):
            if answer.get("reason") == "unauthorized":  # that is said of no record
                raise OSError("the server does not know the token")
            number = self.base + answer.get("acked", answer.get("rejected"))
            if not self.acked + ("rejected" in answer) <= number <= self.acked + len(self.waiting):
                raise ValueError("an answer that cannot be: %s" % answer)
            if "rejected" in answer:
                frame, told = self.waiting[number - self.acked - 1]
                self.waiting[number - self.acked - 1] = frame, True
                told or self.on_reject(number, frame[:-1], answer["reason"])
            else:
                while self.acked < number:
                    self.waiting.popleft()
                    self.acked, self.pause = self.acked + 1, 0


if __name__ == "__main__":
    args = argparse.ArgumentParser(description="Send JSON objects, one a line, to `ringtail serve --ack kafka`.")
    args.add_argument("--address", default="127.0.0.1:8888", help="host:port, tcp://host:port, unix:///path or a path")
    args.add_argument("--window", type=int, default=10000, help="how many records may be sent and not acked")
    args.add_argument("--token", help="of the server's --token-file; others may see it here")
    args.add_argument("file", nargs="?", default="/dev/stdin")
    args, rejected = args.parse_args(), []
    try:
        client = Client(args.address, args.window, lambda *what: rejected.append(what) or print("rejected", *what), args.token)
        for line in filter(bytes.strip, open(args.file, "rb")):
            client.send(line)
        client.close()
    except (NoAcks, OSError, ValueError) as why:
        sys.exit("ringtail: %s: %s" % (args.address, why))
    print("acked %d, rejected %d, reconnects %d" % (client.acked, len(rejected), client.reconnects))
    sys.exit(1 if rejected else 0)
