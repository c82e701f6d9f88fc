"""Records and answers as bytes: docs/PROTOCOL.md has both, byte by byte."""

from __future__ import annotations

import json
from typing import Iterator, NamedTuple

FRAMINGS = ("length", "newline")
ANSWER_BYTES_MAX = 4096  # far more than any; what sends longer ones is no Ringtail
RECORD_BYTES_MAX = (16 << 20) - 1  # a length whose first byte is not 0 is not understood


def frame(framing: str, record: bytes) -> bytes:
    """A record with its borders."""
    return len(record).to_bytes(4, "big") + record if framing == "length" else record + b"\n"


def unframe(framing: str, framed: bytes) -> bytes:
    """The record in a frame."""
    return framed[4:] if framing == "length" else framed[:-1]


def hello(framing: str, token: str) -> bytes:
    """What a connection begins with: the token, where there is one, and the blank record."""
    first = frame(framing, json.dumps({"token": token}).encode()) if token else b""
    return first + (frame("length", b" ") if framing == "length" else b"\n")


class Answer(NamedTuple):
    """{"acked":number}, or {"rejected":number,"reason":reason}; reason is empty in the first."""

    number: int
    reason: str


class Answers:
    """Cuts what a connection reads into answers."""

    def __init__(self, framing: str) -> None:
        self._length = framing == "length"
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Answer]:
        """The answers that are whole now. ValueError: the bytes are none."""
        self._rest += data
        at = 0
        try:
            while True:
                begin = at + 4 if self._length else at
                if self._length and begin <= len(self._rest):
                    end = after = begin + int.from_bytes(self._rest[at:begin], "big")
                else:
                    end = -1 if self._length else self._rest.find(b"\n", at)
                    after = end + 1
                if (len(self._rest) if end < 0 else end) - begin > ANSWER_BYTES_MAX:
                    raise ValueError(f"no answer: {self._rest[at:at + 64]!r}")
                if end < 0 or len(self._rest) < after:
                    return
                at = after
                yield parse(self._rest[begin:end])
        finally:
            self._rest = self._rest[at:]


def parse(text: bytes) -> Answer:
    """One answer. ValueError: it is none."""
    answer = json.loads(text)
    if isinstance(answer, dict):
        acked, rejected, reason = answer.get("acked"), answer.get("rejected"), answer.get("reason")
        if type(acked) is int and acked >= 0 and rejected is None:
            return Answer(acked, "")
        if type(rejected) is int and rejected > 0 and acked is None and isinstance(reason, str) and reason:
            return Answer(rejected, reason)
    raise ValueError(f"no answer: {text[:64]!r}")
