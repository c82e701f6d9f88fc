#!/usr/bin/env python3
"""What CPython makes of a record, and a plain model of the framings.

The tests run this beside the Go code and compare (oracle_test.go), and
gen_corpus.py keeps its answers. It follows CONTRACT, not the Go code: whole
streams, no chunks, one byte at a time.

    python3 codec/oracle.py     reads requests on stdin: one byte what ('v' the
                                verdict; 'n', 'l', 'j', 'a' a stream in that
                                framing), 4 bytes limit, 4 bytes length
                                (big-endian), data; answers a line of JSON each
"""
import json
import re
import struct
import sys

SPACE = b" \t\r\n"
MAX_DEPTH = 512
MAX_LENGTH = 16 << 20
MAX_PREFIX = 4096
SHARDS = (10, 997)

# Any CPython with the limit will do for what the tests ask. What depends on the
# version of Unicode is in the tables and the corpus, made by one with Unicode 14.
if getattr(sys, "get_int_max_str_digits", int)() != 4300:
    sys.exit("oracle.py: needs a CPython that limits integers to 4300 digits: 3.11, or a late 3.10")


class Constant(Exception):
    pass


def constant(name):
    raise Constant(name)


def walk(data, start=0, lf=False):
    """Goes through text from an object's first byte, as CONTRACT has it, and
    yields (index, event): 'close' for the brace that closes the first one,
    'deep', 'lf' for a raw LF if lf is set."""
    braces = brackets = 0
    string = escaped = False
    for i in range(start, len(data)):
        c = data[i:i + 1]
        if c == b"\n" and lf:
            yield i, "lf"
        elif string:
            if escaped:
                escaped = False
            elif c == b"\\":
                escaped = True
            elif c == b'"':
                string = False
        elif c == b'"':
            string = True
        elif c in b"{[":
            if c == b"{":
                braces += 1
            else:
                brackets += 1
            if braces + brackets > MAX_DEPTH:
                yield i, "deep"
        elif c == b"]":
            brackets = max(0, brackets - 1)
        elif c == b"}":
            braces = max(0, braces - 1)
            if braces == 0:
                yield i, "close"


def judge(data, field="number"):
    """The reason, or the number; and the value of "key"."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "bad_utf8", None
    if any(event == "deep" for _, event in walk(data)):
        return "too_deep", None
    long = []

    def integer(s):
        try:
            return int(s)
        except ValueError:
            long.append(s)
            return 0

    try:
        value = json.loads(text, parse_int=integer, parse_constant=constant)
    except (json.JSONDecodeError, Constant):
        return "bad_json", None
    if long:
        return "bad_number", None
    if not isinstance(value, dict):
        return "not_object", None
    if field not in value:
        return "missing_field", None
    try:
        return int(value[field]), value.get("key")
    except (ValueError, TypeError, OverflowError):
        return "bad_number", None


def verdict(data):
    """[reason] or ["ok", number % 10, number % 997, the key if it is a string]."""
    reason, key = judge(data)
    if isinstance(reason, str):
        return [reason]
    if isinstance(key, str):
        key = "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in key)
    else:
        key = None
    return ["ok", *(reason % n for n in SHARDS), key]


REQUEST_LINE = re.compile(rb"[A-Z]{3,7} (?:[/*]|.* HTTP/)", re.DOTALL)


class Frames:
    """The records of a stream: [digit or reason, offset, length, size]."""

    def __init__(self, data, limit):
        self.data, self.limit, self.out, self.failure = data, limit, [], ""

    def record(self, start, end, forced=None):
        whole = self.data[start:end]
        trimmed = whole.strip(SPACE)
        if not trimmed and not forced:
            return False
        start += len(whole) - len(whole.lstrip(SPACE)) if trimmed else 0
        size = length = len(trimmed)
        if forced == "truncated":
            what, length = forced, min(size, MAX_PREFIX, self.limit if size > self.limit else size)
        elif size > self.limit:
            what, length = "too_large", min(MAX_PREFIX, self.limit)
        elif forced:
            what = forced
        else:
            v = verdict(trimmed)
            what = str(v[1]) if v[0] == "ok" else v[0]
        self.out.append([what, start if trimmed else 0, length, size])
        return what.isdigit()

    def newline(self):
        start, accepted = 0, False
        while (end := self.data.find(b"\n", start)) >= 0:
            before = len(self.out)
            accepted |= self.record(start, end)
            if len(self.out) > before and not accepted:
                _, at, length, _ = self.out[-1]
                if REQUEST_LINE.match(self.data[at:at + length]):
                    self.out.pop()
                    self.failure = "foreign"
                    return
            start = end + 1
        self.record(start, len(self.data))

    def length(self):
        at, data = 0, self.data
        while at < len(data):
            if len(data) - at < 4:
                return self.record(len(data), len(data), "truncated")
            n, = struct.unpack_from(">I", data, at)
            at += 4
            if n > MAX_LENGTH:
                self.failure = "bad_length"
                return None
            if len(data) - at < n:
                return self.record(at, len(data), "truncated")
            self.record(at, at + n)
            at += n

    def text(self, auto):
        at, data, accepted = 0, self.data, False
        while True:
            while data[at:at + 1] and data[at] in SPACE:
                at += 1
            if at >= len(data):
                return
            end, event = at, "stray"
            if data[at:at + 1] == b"{":
                end, event = next(walk(data, at, lf=auto), (len(data), "end"))
            if event == "end":
                self.record(at, end, "truncated")
                return
            if event == "close":
                accepted |= self.record(at, end + 1)
                at = end + 1
                continue
            if not auto:
                self.record(at, end + 1, "too_deep" if event == "deep" else "bad_json")
                self.failure = "bad_stream"
                return
            if not accepted:
                self.failure = "foreign"
                return
            if (end := data.find(b"\n", at)) < 0:
                end = len(data)
            self.record(at, end)
            at = end + 1

    def auto(self):
        first = self.data[:1]
        if first == b"\0":
            self.length()
        elif first == b"{" or first in SPACE:
            self.text(auto=True)
        else:
            self.failure = "foreign"


FRAMINGS = {"n": Frames.newline, "l": Frames.length, "j": lambda f: f.text(auto=False), "a": Frames.auto}


def frames(framing, data, limit=1_000_000):
    f = Frames(data, limit)
    FRAMINGS[framing](f)
    return [f.out, f.failure]


def serve(stdin, stdout):
    while head := stdin.read(9):
        what, limit, n = struct.unpack(">cII", head)
        data = stdin.read(n)
        answer = verdict(data) if what == b"v" else frames(what.decode(), data, limit)
        stdout.write(json.dumps(answer).encode() + b"\n")
        stdout.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
