"""The Client against a scripted server; internal/clients has it against a real one."""

from __future__ import annotations

import logging
import random
import threading
import time
import unittest
from typing import Callable, List, Tuple

from ringtail_client import Client, NoAcks, RingtailError, Unauthorized
from ringtail_client import _client
from ringtail_client._framing import Answer, Answers

from fake import Act, Fake, Peer

MINUTE = 60.0


def setUpModule() -> None:
    logging.disable(logging.WARNING)
    _client.BACKOFF_SECONDS = (0.001, 0.01)


def record(number: int) -> bytes:
    return b'{"number":%d}' % number


def answered(act: Act) -> Act:
    def both(peer: Peer) -> None:
        peer.answer_hello()
        act(peer)

    return both


def first_copies(records: List[bytes]) -> List[bytes]:
    return list(dict.fromkeys(records))


ack_all: Act = answered(Peer.until_end)


class Sending(unittest.TestCase):
    def sent_through(self, fake: Fake, count: int, **options: object) -> Client:
        """Send so many, and look that each came, in order."""
        with Client(fake.address, framing=fake.framing, **options) as client:  # type: ignore[arg-type]
            for number in range(1, count + 1):
                self.assertEqual(client.send(record(number), MINUTE), number)
            client.close(MINUTE)
        self.assertEqual(first_copies(fake.records()), [record(n) for n in range(1, count + 1)])
        self.assertEqual(client.stats().acked, count)
        self.assertEqual(client.stats().unacked, 0)
        return client

    def test_each_framing(self) -> None:
        for framing in ("length", "newline"):
            with self.subTest(framing), Fake(ack_all, framing=framing) as fake:
                client = self.sent_through(fake, 1000)
                self.assertEqual(len(fake.records()), 1000)
                self.assertEqual(client.stats().resent, 0)

    def test_answers_byte_by_byte(self) -> None:
        for framing in ("length", "newline"):
            text = b'{"acked":0}', b'{"rejected":1,"reason":"bad_json"}', b'{"acked":17}'
            stream = b"".join(len(t).to_bytes(4, "big") + t if framing == "length" else t + b"\n" for t in text)
            want = [Answer(0, ""), Answer(1, "bad_json"), Answer(17, "")]
            for size in range(1, len(stream) + 1):
                answers = Answers(framing)
                got = [a for at in range(0, len(stream), size) for a in answers.feed(stream[at : at + size])]
                self.assertEqual(got, want)

    def test_what_is_no_answer(self) -> None:
        for text in ("17", "{}", "[]", "null", '{"acked":-1}', '{"acked":true}', '{"acked":1.0}', '{"rejected":0,"reason":"x"}', '{"rejected":1}', '{"acked":1,"rejected":1,"reason":"x"}', "HTTP/1.1 400"):
            with self.subTest(text), self.assertRaises(ValueError):
                list(Answers("newline").feed(text.encode() + b"\n"))
        for framing in ("length", "newline"):
            with self.subTest(framing), self.assertRaises(ValueError):
                list(Answers(framing).feed(b"x" * 5000))

    def test_faults(self) -> None:
        """Whatever a server does wrong: nothing is missing, first copies are in order, and what was acked is not sent again."""
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)

        def some_acked(ends: Callable[[Peer], None]) -> Act:
            def act(peer: Peer) -> None:
                peer.answer_hello()
                peer.take_records(rng.randrange(1, 60))
                peer.say(acked=rng.randrange(len(peer.records) + 1))
                ends(peer)

            return act

        def nonsense(peer: Peer) -> None:
            peer.raw(rng.choice((b"\0\0\0\x05hello", b"\xff\xff\xff\xff", b'\0\0\0\x0f{"acked":99999}', b"\0\0\0\x20" + b" " * 32)))
            peer.take_records(1000)

        ends: List[Callable[[Peer], None]] = [lambda peer: None, Peer.reset, nonsense, lambda peer: peer.raw(b"\0\0")]
        acts = [some_acked(rng.choice(ends)) for _ in range(40)]
        acts += [Peer.reset, lambda peer: None, Peer.take_hello]
        rng.shuffle(acts)
        with self.subTest(seed=seed), Fake(*acts, ack_all) as fake:
            client = self.sent_through(fake, 2000, window_records=100)
            self.assertGreater(client.stats().connections, 20)
            acked = 0
            for peer in fake.peers:  # each connection begins with the first record that is not acked
                if peer.records:
                    first = int(peer.records[0][10:-1])
                    self.assertEqual(peer.records, [record(n) for n in range(first, first + len(peer.records))])
                    self.assertGreaterEqual(first, acked + 1)
                    acked = first - 1

    def test_acked_goes_back(self) -> None:
        """Who counts so counts something else: the connection ends."""

        def back(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(3)
            peer.say(acked=2)
            peer.say(acked=1)
            peer.until_end()

        with Fake(back, ack_all) as fake:
            self.assertEqual(self.sent_through(fake, 10).stats().connections, 2)

    def test_half_close(self) -> None:
        """A server may ack at the end alone."""

        def at_the_end(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(1 << 30)
            peer.say(acked=len(peer.records))

        with Fake(at_the_end) as fake:
            self.sent_through(fake, 100)

    def test_reads_while_it_writes(self) -> None:
        """A server that is not read stops reading: both would wait for ever."""

        def flood(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(1)
            for _ in range(200_000):
                peer.say(acked=0)
            peer.say(acked=1)
            peer.until_end()

        with Fake(flood) as fake:
            self.sent_through(fake, 20_000)

    def test_rejects(self) -> None:
        """on_reject hears once of each, also where the server says it again."""

        def reject(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(2)
            peer.say(rejected=2, reason="missing_field")

        def again(peer: Peer) -> None:
            reject(peer)
            peer.say(acked=2)
            peer.until_end()

        told: List[Tuple[int, bytes, str]] = []
        with Fake(reject, again) as fake:
            client = self.sent_through(fake, 3, on_reject=lambda *what: told.append(what))
        self.assertEqual(told, [(2, record(2), "missing_field")])
        self.assertEqual(client.stats().rejected, 1)

    def test_failover(self) -> None:
        """A server that is down, one that is mute, and one that dies: the next one gets what is not acked."""

        def dies(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(10)
            peer.say(acked=4)

        with Fake(dies, Peer.reset) as first, Fake(lambda peer: peer.take_records(9)) as mute, Fake(ack_all) as last:
            with Client([first.address, mute.address, "tcp://127.0.0.1:1", last.address], hello_timeout=0.2) as client:
                for number in range(1, 101):
                    client.send(record(number))
                client.flush(MINUTE)
            acked = 4 if first.records() else 0  # a machine may be too busy to answer in time
            self.assertEqual(last.records(), [record(n) for n in range(acked + 1, 101)])


class Ending(unittest.TestCase):
    def test_silence(self) -> None:
        """A server that does not ack ends the Client, and no record was sent."""
        came: List[bytes] = []

        def mute(peer: Peer) -> None:
            while (frame := peer.take()) is not None:
                came.append(frame)

        with Fake(mute) as fake:
            client = Client(fake.address, hello_timeout=0.2)
            client.send(record(1))
            with self.assertRaisesRegex(NoAcks, "tcp://127.0.0.1:[0-9]+: no answer to the hello in 0.2 s; is it `ringtail serve --ack kafka`"):
                client.flush(MINUTE)
            with self.assertRaises(NoAcks):
                client.send(record(2))
            with self.assertRaises(NoAcks):
                client.close()
        self.assertEqual(came, [b" "])

    def test_no_ringtail(self) -> None:
        for said in (b"HTTP/1.1 400 Bad Request\r\n", b'\0\0\0\x0b{"acked":1}'):
            with self.subTest(said), Fake(lambda peer: peer.raw(said) or peer.take_records(9)) as fake:  # type: ignore[func-returns-value]
                client = Client(fake.address)
                client.send(record(1))
                with self.assertRaisesRegex(NoAcks, "it answers"):
                    client.close(MINUTE)

    def test_unauthorized(self) -> None:
        tokens: List[object] = []

        def refuse(peer: Peer) -> None:
            tokens.append(peer.take())
            peer.say(rejected=1, reason="unauthorized")

        with Fake(refuse) as fake:
            client = Client(fake.address, token="ä wrong one")
            client.send(record(1))
            with self.assertRaisesRegex(Unauthorized, "does not know the token"):
                client.close(MINUTE)
        self.assertEqual(tokens, [rb'{"token": "\u00e4 wrong one"}'])

    def test_addresses(self) -> None:
        for address in ("nowhere", "tcp://127.0.0.1:port", "tcp://127.0.0.1:0", "http://127.0.0.1:1", "unix://", ":1", ""):
            with self.subTest(address), self.assertRaisesRegex(ValueError, "is no address"):
                Client(address)
        with self.assertRaises(ValueError):
            Client([])
        with self.assertRaisesRegex(ValueError, "framing 'nul' is unknown; one of length, newline"):
            Client("tcp://127.0.0.1:1", framing="nul")

    def test_records(self) -> None:
        client = Client("tcp://127.0.0.1:1", framing="newline")
        for wrong in ("", " \r\n", '{"a":1}\n{"b":2}'):
            with self.subTest(wrong), self.assertRaises(ValueError):
                client.send(wrong)
        client.close()

    def test_timeouts(self) -> None:
        """A server that does not ack in time, and one that is away: whoever waits is told, and may wait on."""
        go = threading.Event()

        def later(peer: Peer) -> None:
            peer.answer_hello()
            go.wait(MINUTE)
            peer.until_end()

        with Fake(later) as fake, Client(fake.address, window_records=2) as client:
            client.send(record(1))
            client.send(record(2))
            with self.assertRaisesRegex(TimeoutError, "the window is full: 2 records are not acked"):
                client.send(record(3), timeout=0.01)
            with self.assertRaisesRegex(TimeoutError, "flush: 2 records are not acked"):
                client.flush(0.01)
            go.set()
            client.flush(MINUTE)
        client = Client("tcp://127.0.0.1:1")
        client.send(record(1))
        with self.assertRaisesRegex(TimeoutError, "close: 1 records are not acked"):
            client.close(0.05)
        with self.assertRaisesRegex(ValueError, "closed Client"):
            client.send(record(2))

    def test_ack_timeout(self) -> None:
        def stalls(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(1 << 30)

        with Fake(stalls, ack_all) as fake, Client(fake.address, ack_timeout=0.1) as client:
            client.send(record(1))
            client.flush(MINUTE)

    def test_abort_while_the_socket_is_full(self) -> None:
        sending, go = threading.Event(), threading.Event()

        def stops_reading(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(1)
            sending.set()
            go.wait(MINUTE)

        with Fake(stops_reading) as fake:
            with self.assertRaises(KeyError), Client(fake.address, window_bytes=64 << 20) as client:
                for _ in range(30):
                    client.send(b'{"number":1,"x":"' + b"x" * 900_000 + b'"}')
                self.assertTrue(sending.wait(MINUTE))
                raise KeyError
            self.assertFalse(client._thread.is_alive())
            with self.assertRaisesRegex(RingtailError, "aborted with 30 records not acked"):
                client.flush(MINUTE)
            go.set()

    def test_on_reject_raises(self) -> None:
        def raises() -> None:
            raise KeyError

        def reject(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(1)
            peer.say(rejected=1, reason="bad_json")
            peer.take_records(1)

        with Fake(reject) as fake:
            client = Client(fake.address, on_reject=lambda *_: raises())
            client.send(record(1))
            with self.assertRaises(KeyError):
                client.close(MINUTE)


class Cost(unittest.TestCase):
    def test_a_large_window(self) -> None:
        """Each look-up is one: with a search a reject this takes hours."""
        count = 100_000

        def reject_all(peer: Peer) -> None:
            peer.answer_hello()
            peer.take_records(count)
            for number in range(count, 0, -1):
                peer.say(rejected=number, reason="bad_json")
            peer.say(acked=count)
            peer.take_records(1)

        told: List[int] = []
        with Fake(reject_all) as fake, Client(fake.address, window_records=count, on_reject=lambda n, *_: told.append(n)) as client:
            for number in range(count):
                client.send(b"{}")
            client.close()
        self.assertEqual(told, list(range(count, 0, -1)))


if __name__ == "__main__":
    unittest.main()
