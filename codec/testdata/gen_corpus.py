#!/usr/bin/env python3
"""Writes codec/testdata/corpus.jsonl: records of every kind with what CPython
makes of them, and what becomes of streams in which they stand between good
ones.

    python3 codec/testdata/gen_corpus.py

A line is [record, verdict] or [record, verdict, streams]. Bytes are written as
the characters U+0000 to U+00FF. The verdict is oracle.verdict's. Streams are
those of stream(), by framing; where nothing is said of one, the three records
come out of it one after the other.
"""
import itertools
import json
import os
import struct
import sys
import unicodedata

from oracle import BOM, SPACE, frames, judge, verdict

BEFORE, AFTER = b'{"number":1}', b'{"number":"12"}'

INTEGERS = """0 -0 1 -1 7 -7 -10 10 19 42 12345678 123456789 1234567890123456789 18446744073709551615
18446744073709551616 -18446744073709551616 99999999999999999999999999999999 -99999999999999999999999999999998
72057594037927936 720575940379279360 9007199254740993 00 01 -01 -00 +1 - + -- -a 1a 1_000 0x10 0b1 0o7 1l ١""".split()
FLOATS = """0.0 -0.0 0.5 -0.5 0.9999999999999999 0.99999999999999999 1.0 1.5 -1.5 -7.9 1e0 1E1 1e+2 1e-2 12e-1 1e15 1e16 1e17 1e18
1e19 1e21 1e22 1e23 -1e23 1e100 1e300 1e308 1.7976931348623157e308 1.7976931348623159e308 -1e308 1e309 -1e309 1e400
1e99999 1e-400 1e-99999 5e-324 123456789.987654321 9007199254740993.0 9007199254740992.5 9223372036854775807.0
9223372036854775808.0 18446744073709551615.0 1. .5 -.5 1.e1 1e 1e+ 1.5e- 1e1.5 1ee1 0e0 0e5 00.5 -0e-0 1.0e1_0 0E+00
4.35e2 2.675e3 0.1e1 123.456e3 99999999999999999999.5 1e2147483648 1e-2147483649 0.000000000000000000000000000001e30""".split()
STRINGS = ["", "0", "7", "-7", "+7", "--7", "+-7", "- 7", "007", "-007", "0_0", "1_0", "_1", "1_", "1__0", "-_1", "1_-", "+1_2_3",
           " 7", "7 ", " 7 ", "\\t7\\n", "\\u000b7\\f", "\\r\\n 7\\r\\n ", "7 7", "\\u001c7", "7\\u001d", "\\u001e7", "7\\u001f", "\\u00007",
           "7\\u0000", "\\b7", "\\u007f7", "7\\u007f", "7.0", "1e3", "0x7", "inf", "nan", "Infinity", "true", "None", "seven", "7a",
           "a7", "１２", "-１", "٣", "१२३", "1２3", "𝟗", "𝟎𝟏", "½", "²", "①", "Ⅷ", "三", "\\u0037", "\\uff17", "\\ud835\\udfd7", "\\ud835",
           "\\udfd7\\ud835", "\\ud835\\ud8357", "7\\ud800", "\\ud83d\\ude00", "\\u002d7", "\\u002b7", "1\\u005f0", "\\u0020\\u0037",
           "\\/7", "\\\"7", "\\\\7", "+", "-", "_", " ", "   ", "- 1", "1 _", "−7", "⁷", "᠎7", "​7", "\u20607", "﻿7",
           "7\u0085", "\u00a07\u3000", "\u20287\u2029", "\u200e7", "1\u00a02", "\u00a0-\u0667\u00a0", "٣_٤", "٣_", "_٣", "\u0001７",
           "\u001c７", "\u000b７", "12345678901234567890", "-12345678901234567890123", "0" * 50 + "9"]
VALUES = """true false null True False None [] [1] {} {"number":1} "" [[]] [[1,2],{"a":3}] nul tru fals truee NaN Infinity -Infinity
nan undefined 'a' "a "\\q" "\\u12" "\\u12g4" "\\u" "\\ud83d\\ude00" "\\x41" "a\\" / \\ ; =""".split()
GREETINGS = [b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n", b"EHLO x\r\n", b"PING\r\n",
             b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(40)), b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
             b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56",
             b"\x28\xb5\x2f\xfd\x04\x58\x61\x00", b"\x04\x22\x4d\x18\x60\x40\x82", b"\x00\x00\x00\x1f\x00\x12\x00\x04\x00\x00\x00\x01\x00\x06abc", b"\x80\x00\x00\x00",
             b"\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xef\xbb\xbf", b"\xfe\xff\x00{", b"\xff\xfe{\x00}\x00", b"<xml/>", b"number=7", b"7", b'"7"',
             b',{"number":1}', b'[{"number":1},{"number":2}]', b'[[{"number":1},\n{"number":2}],3]\n{"number":4}', b'\0{"number":1}\0', b'\x1e{"number":1}',
             b'12 {"number":1}', b'12 {"number":1}12 {"number":2}', b"12 <34>1 - - - -", b"\0\x0c" + b'{"number":1}', b"\x0c\0\0\0" + b'{"number":1}',
             b"\0{\0\"\0n\0", BOM + b'{"number":1}', BOM[:2] + b'{"number":1}', b"[1,2]", b"[", b"[ [", b"]"]
ENCODINGS = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x80", b"\xc3\x28", b"\xdf\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe0\xa0\x80",
             b"\xe2\x82", b"\xe2\x82\xac", b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xef\xbf\xbf", b"\xf0\x80\x80\x80",
             b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf0\x9f\x9a\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff",
             "ü".encode("latin-1"), "Grüße, 東京 🚀".encode(), "\u2028\u2029".encode(), "\x7f".encode(), "\u0080".encode()]
ORDINARY = (b'{"id":123456,"device":"alpha-0042","timestamp":1700000000123,"temperature":-12.75,"humidity":41.5e0,"active":true,'
            b'"number":"8471","site":{"name":"Nord {7}","rooms":[1,2,[3,{"number":5}]]},"firmware":"1.2.3","none":null,"note":"a, b \\"c\\" \\\\"}')


def member(value):
    return b'{"number":' + value + b"}"


def numbers():
    for s in INTEGERS + FLOATS + VALUES:
        for suffix in (b"}", b',"a":"b"}', b" , \"number2\" : 2 }"):
            yield b'{"number":' + s.encode() + suffix
        yield b'{"a":' + s.encode() + b',"number":5}'
        yield b'{"a":[' + s.encode() + b'],"number":5}'
        yield s.encode()
    for s in STRINGS + INTEGERS + FLOATS:
        yield member(b'"' + s.encode() + b'"')
        yield b'{ "x": "' + s.encode() + b'", "number" :\t"' + s.encode() + b'" }'


def long_numbers():
    for n in (4299, 4300, 4301):
        nines = b"9" * n
        yield from (member(nines), member(b"-" + nines), member(b'"' + nines + b'"'))
    nines = b"9" * 4301
    yield from (nines, b'{"a":' + nines + b"}", b'{"number":5,"a":[' + nines + b"]}", b'{"number":5,"a":"' + nines + b'"}', member(nines + b".0"),
                member(b"0." + nines), member(b"1e-" + nines[:40]), member(b'"' + b"_".join([b"1"] * 4300) + b'"'), member(b'"' + b"0" * 4300 + b'7"'),
                member(b'" -' + b"7" * 4300 + b' "'), b'{"number":5,"a":' + nines + b"e0}", b'{"number":5,"a":' + nines + b"x}")


def unicode_digits():
    digits = [chr(c) for c in range(0x80, 0x110000) if chr(c).isdigit() or chr(c).isdecimal()]
    for c in digits[::3] + [chr(c) for c in range(0x80, 0x110000) if chr(c).isspace()]:
        yield member(f'"{c}7{c}"'.encode())


def members():
    for a, b in itertools.permutations(["1", '"2"', "null", "[3]", '"x"', '{"number":4}', "5.5"], 2):
        yield f'{{"number":{a},"number":{b}}}'.encode()
        yield f'{{"number":{a},"\\u006eumber":{b},"b":0}}'.encode()
    for key in ("Number", "number ", " number", "numbe", "numberr", "numb\\u0065r", "\\u006e\\u0075mber", "\\ud800number", "number\\u0000",
                "n\\/umber", "\\number", "ｎumber", "", "\\u006Eumber", "n\\u0075mbe\\u0072", "key\\", "\\\"number", "number\\\""):
        yield f'{{"{key}":7}}'.encode()
        yield f'{{"{key}":7,"number":8}}'.encode()
        yield f'{{"number":8,"{key}":7}}'.encode()
    for key in ("a", "a b", "ü", "\\u00fc", "\\ud83d\\ude00", "\\ud83d", "\\ude00\\ud83d", "", "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\\u0000"):
        yield f'{{"number":3,"key":"{key}"}}'.encode()
        yield f'{{"key":1,"key":"{key}","number":4}}'.encode()
    yield from (b'{"a":{"number":1}}', b'{"a":[{"number":1}],"number":2}', b'[{"number":1}]', b'{"a":"\\"number\\":1","number":3}',
                b'{"number":4,"z":{"number":1,"y":[{"number":2}]}}', b'{"a":"}{","number":5}', b'{"a":"]}","number":6,"b":"{["}')


def grammar():
    for s in ("{} {}} }{ {{}} [] [1] [1,] {,} {\"number\"} {\"number\":} {\"number\":1,} {,\"number\":1} {\"number\" 1} {\"number\"::1} "
              "{\"number\":1,,\"a\":2} {\"number\":1;} {number:1} {'number':1} {\"number\":1]} {\"number\":[} {\"number\":[1} {\"number\":1]]} "
              "{\"a\":[1,2,],\"number\":1} {\"a\":{,},\"number\":1} {\"a\":{\"b\"},\"number\":1} {\"a\":{\"b\":1,},\"number\":1} {\"a\":[,1],\"number\":1} "
              "{\"a\":[1_2],\"number\":1} {\"a\":[}],\"number\":1} {\"a\":{]},\"number\":1} {\"a\":[{]},\"number\":1} {\"a\":[1},\"number\":1} {\"a\":{\"b\":1],\"number\":1} {\"a\":[{\"b\":1]},\"number\":1} {1:2} {\"number\":1}} "
              "{\"number\":1}{ {\"number\":1}x x{\"number\":1} {\"number\":1}{\"number\":2} {\"number\":1},{\"number\":2} {\"number\":1}\"a\" "
              "/**/{\"number\":1} {\"number\":1}//x {\"a\":[[]],\"number\":1} {\"a\":[{}],\"number\":1} {\"a\":{\"b\":{}},\"number\":1} {null:1}").split(" "):
        yield s.encode()
    for gap in (b" ", b"\t", b"\r", b"\n", b"\r\n", b"  \t ", b"\x0b", b"\x0c", b"\xc2\xa0", b"\0", b"\x1c", b"\xef\xbb\xbf"):
        yield gap.join([b"{", b'"number"', b":", b"7", b",", b'"a"', b":", b"[", b"1", b",", b"{", b"}", b"]", b"}"])
        for at in (0, 1, 9, 10, 12):
            yield (s := member(b"17"))[:at] + gap + s[at:]
        yield gap + member(b"7") + gap
        yield gap
    for c in itertools.chain(range(0, 0x21), b'"\\/\x7f'):
        yield b'{"a":"x' + bytes([c]) + b'y","number":7}'
        yield b'{"number":7,"0123456789' + bytes([c]) + b'":"0123456789"}'
        yield b'{"a":{"b":"0123456' + bytes([c]) + b'"},"number":7}'
        yield b'{"a":"x\\' + bytes([c]) + b'y","number":7}'
    for c in range(0x20, 0x7f):
        yield b'{"a":["\\' + bytes([c]) + b'0041"],"number":7}'


def depths():
    for n in (62, 63, 64, 65, 66, 510, 511, 512, 513):
        yield b'{"number":9,"a":' + b"[" * (n - 1) + b"]" * (n - 1) + b"}"
        yield b'{"a":' * (n - 1) + b"1" + b"}" * (n - 1)
        yield b"[" * n + b"]" * n
    yield b'{"number":9,"a":' + b'[{"b":' * 255 + b"1" + b"}]" * 255 + b"}"
    yield b'{"number":9,"a":' + b'[{"b":' * 256 + b"1" + b"}]" * 256 + b"}"
    yield b'{"number":9,"a":"' + b"[{" * 600 + b'"}'
    yield b"[" * 600
    yield b'{"a":' * 600
    yield b'{"a":[' * 3 + b"}" * 3 + b"]" * 600
    yield b'{"number":9,"a":"\xff' + b"[" * 600


def everything():
    yield from (numbers())
    yield from (long_numbers())
    yield from (unicode_digits())
    yield from (members())
    yield from (grammar())
    yield from (depths())
    yield from GREETINGS
    for e in ENCODINGS:
        yield from (b'{"a":"' + e + b'","number":7}', b'{"number":7,"' + e + b'":"0123456789"}', member(b'"' + e + b'7"'), member(b"7" + e), e + member(b"7"),
                    b'{"a":{"01234567' + e + b'":["' + e + b'"]},"number":7}')
    for s in (ORDINARY, b'{"number":"\\u0037\xc3\xbc\\"","a":[1.5e3,{"b":null}]}', b'{"k\xc3\xbcy":false,"number":-12}'):
        for end in range(1, len(s) + 1):
            yield s[:end]
        for at in range(0, len(s), 2):
            yield s[:at] + s[at + 1:]


def stream(framing, record):
    """record between two good ones, and where it begins."""
    if framing == "l":
        return b"".join(struct.pack(">I", len(p)) + p for p in (BEFORE, record, AFTER))
    return BEFORE + b"\n" + record + b"\n" + AFTER + b"\n" if framing in "na" else BEFORE + record + AFTER


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"gen_corpus.py: needs Unicode 14.0.0 (CPython 3.11), this is {unicodedata.unidata_version}")
    seen, lines = set(), []
    for record in everything():
        if record in seen:
            continue
        seen.add(record)
        v = verdict(record.strip(SPACE))
        line = [record.decode("latin-1"), v]
        what = str(v[1]) if v[0] == "ok" else v[0]
        plain = [["1", what, "2"], ""]
        streams = {}
        for framing in "nlja":
            out, failure, separators = frames(framing, stream(framing, record))
            if [[piece[0] for piece in out], failure] != plain or separators:
                streams[framing] = [out, failure, separators]
        if streams:
            line.append(streams)
        lines.append(json.dumps(line, ensure_ascii=True, separators=(",", ":")))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus.jsonl")
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")
    print(f"{len(lines)} records, {os.path.getsize(path)} bytes: {path}")


if __name__ == "__main__":
    main()
