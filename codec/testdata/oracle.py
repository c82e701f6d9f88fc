#!/usr/bin/env python3
"""What CPython makes of a record, and a plain model of the framings.

The tests run this beside the Go code and compare (oracle_test.go), and
gen_corpus.py keeps its answers. It follows CONTRACT, not the Go code: whole
streams, no chunks, one byte at a time.

    python3 codec/testdata/oracle.py     reads requests on stdin: one byte what ('v' the
                                verdict; else a stream in that framing, see
                                FRAMINGS), 4 bytes limit, 4 bytes length
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


BEGINS_REQUEST = re.compile(rb"[A-Z]{3,7} [/*]")
REQUEST_LINE = re.compile(rb"[A-Z]{3,7} (?:[/*]|.* HTTP/)", re.DOTALL)


BOM = b"\xef\xbb\xbf"
SEPARATORS = b",\0\x1e"
STRANGER = re.compile(rb"[A-Z\x16]")  # how TLS and HTTP begin, where text does not


class Frames:
    """The records of a stream: [digit or reason, offset, length, size]; and how
    many bytes between them are separators."""

    def __init__(self, data, limit):
        self.data, self.limit, self.out, self.failure, self.separators = data, limit, [], "", 0
        self.start = len(BOM) if data.startswith(BOM) else 0

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

    def lines(self, end_of_line):
        start, accepted = self.start, False
        while (end := self.data.find(end_of_line, start)) >= 0:
            before = len(self.out)
            accepted |= self.record(start, end)
            if len(self.out) > before and not accepted:
                _, at, length, _ = self.out[-1]
                if REQUEST_LINE.match(self.data[at:at + length]):
                    self.out.pop()
                    self.failure = "foreign"
                    return
            start = end + 1
        begun = self.data[start:].lstrip(SPACE)[:min(self.limit, MAX_PREFIX)]
        if end_of_line == b"\0" and not accepted and BEGINS_REQUEST.match(begun):
            self.failure = "foreign"
            return
        self.record(start, len(self.data))

    def length(self, layout=">I"):
        at, data, header, accepted = 0, self.data, struct.calcsize(layout), False
        while at < len(data):
            if len(data) - at < header:
                return self.record(len(data), len(data), "truncated")
            n, = struct.unpack_from(layout, data, at)
            at += header
            if n > MAX_LENGTH:
                stranger = re.match(rb"[A-Z][A-Z ]{3}|\x16\x03", data[at - header:at])
                self.failure = "foreign" if stranger and not accepted else "bad_length"
                return None
            if header == 2 and not accepted and (
                    BEGINS_REQUEST.match(data[at - 2:at + n]) or re.match(rb"\x16\x03[\0-\x04]", data[at - 2:at + n])):
                self.failure = "foreign"
                return None
            if len(data) - at < n:
                return self.record(at, len(data), "truncated")
            accepted |= self.record(at, at + n)
            at += n

    def octet(self):
        at, data, accepted = 0, self.data, False
        while True:
            while data[at:at + 1] and data[at] in SPACE:
                at += 1
            if at >= len(data):
                return None
            header = re.compile(rb"\d{1,8}").match(data, at)
            if header and header.end() == len(data):
                return self.record(len(data), len(data), "truncated")
            if not header or data[header.end()] != ord(" ") or int(header[0]) > MAX_LENGTH:
                self.failure = "foreign" if STRANGER.match(data[at:at + 1]) and not accepted else "bad_length"
                return None
            at, n = header.end() + 1, int(header[0])
            if len(data) - at < n:
                return self.record(at, len(data), "truncated")
            accepted |= self.record(at, at + n)
            at += n

    def region(self, at):
        """The end of an error that begins at at: an LF, or an object."""
        return next((i for i in range(at, len(self.data)) if self.data[i] in b"\n{"), len(self.data))

    def text(self, auto):
        at, data, accepted, arrays = self.start, self.data, False, 0
        while True:
            while data[at:at + 1] and data[at] in SPACE:
                at += 1
            if at >= len(data):
                return
            if data[at] in SEPARATORS or data[at] == ord("]") and arrays > 0:
                arrays -= data[at] == ord("]")
                self.separators += 1
                at += 1
                continue
            end, event = at, "stray"
            if at == 0 and data[0] == BOM[0]:  # the half of a mark, and what shows that it is no more
                end = next((i for i in range(2 if data[:2] == BOM[:2] else 1, len(data)) if data[i] not in SPACE), len(data))
                event = "end" if end == len(data) else event
            if data[at] == ord("["):
                while end < len(data) and (data[end] in SPACE or data[end] == ord("[")) and arrays + data.count(b"[", at, end + 1) <= MAX_DEPTH:
                    end += 1
                opens = data.count(b"[", at, end)
                if end == len(data):
                    event = "end"
                elif data[end] == ord("{"):
                    self.separators += opens
                    arrays += opens
                    at = end
            if data[at] == ord("{"):
                events = walk(data, at, lf=auto)
                end, event = next(events, (len(data), "end"))
                if event == "deep" and auto and accepted:
                    end, event = next((e for e in events if e[1] != "deep"), (len(data), "end"))
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
            if event == "stray":
                end = self.region(end)
            self.record(at, end)
            at = end + (data[end:end + 1] == b"\n")

    def auto(self):
        data = self.data
        if not data or BOM.startswith(data):
            self.failure = "foreign" if data and data != BOM else ""
        elif data.startswith(BOM) or data[0] in b"{[,\x1e" + SPACE:
            self.text(auto=True)
        elif data[0] == 0:
            behind = data[4:5]
            n = int.from_bytes(data[:4], "big")
            first = data.lstrip(b"\0")[:1]
            nuls = len(data) - len(data.lstrip(b"\0"))
            if not behind or n > 0 and behind in b"{ \t\r\n" or n == 0 and behind == b"\0":
                self.length()
            elif nuls < 5 and first == b"{" and (nuls == 4 or data[nuls + 1] != 0 and not set(data[nuls + 1:5]) & set(b"{}\n")):
                self.text(auto=True)
            else:
                self.failure = "foreign"
        elif (header := re.match(rb"([1-9]\d{0,7})($| $| \{)", data)) and (not header[2] or int(header[1]) <= MAX_LENGTH):
            self.octet()
        else:
            self.failure = "foreign"


FRAMINGS = {
    "n": lambda f: f.lines(b"\n"), "0": lambda f: f.lines(b"\0"), "j": lambda f: f.text(auto=False), "a": Frames.auto, "o": Frames.octet,
    "l": Frames.length, "2": lambda f: f.length(">H"), "i": lambda f: f.length("<I"), "3": lambda f: f.length("<H")}


def frames(framing, data, limit=1_000_000):
    f = Frames(data, limit)
    if framing in "n0j" and data[:1] == b"\x16" or framing == "j" and STRANGER.match(data[:1]):
        f.failure = "foreign"
    else:
        FRAMINGS[framing](f)
    return [f.out, f.failure, f.separators]


def serve(stdin, stdout):
    while head := stdin.read(9):
        what, limit, n = struct.unpack(">cII", head)
        data = stdin.read(n)
        answer = verdict(data) if what == b"v" else frames(what.decode(), data, limit)
        stdout.write(json.dumps(answer).encode() + b"\n")
        stdout.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
