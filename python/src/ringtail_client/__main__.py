"""python -m ringtail_client ADDRESS… sends the lines of standard input, and ends when all are acked."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import List, Optional

from ._client import Client
from ._errors import RingtailError
from ._framing import FRAMINGS


def main(args: Optional[List[str]] = None) -> int:
    """Exit code 0: all are acked, and none was rejected; 1: the other cases; 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m ringtail_client", description="Send JSON records, one a line of standard input, to `ringtail serve --ack kafka`.")
    parser.add_argument("address", nargs="+", help="tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH; several are tried in turn")
    parser.add_argument("--framing", choices=FRAMINGS, default="length", help="length (for --framing auto or length), or newline")
    parser.add_argument("--token-file", help="a file whose first line is the token, for a server with --token-file")
    parser.add_argument("--tls-ca", help="with tls://: the certificates to trust, in PEM")
    parser.add_argument("--window", type=int, default=16384, help="how many records may be sent and not acked")
    parser.add_argument("--hello-timeout", type=float, default=10.0, help="seconds for the server's answer to the hello")
    parser.add_argument("--timeout", type=float, help="seconds that the server may take for the last acks")
    options = parser.parse_args(args)
    logging.basicConfig(format="ringtail: %(message)s")
    try:
        token = ""
        if options.token_file:
            with open(options.token_file, encoding="utf-8") as file:
                token = file.readline().strip()
        with Client(
            options.address,
            framing=options.framing,
            token=token,
            ca_file=options.tls_ca,
            window_records=options.window,
            hello_timeout=options.hello_timeout,
            on_reject=lambda number, record, reason: print("rejected", number, reason, flush=True),
        ) as client:
            for line in filter(bytes.strip, sys.stdin.buffer):
                client.send(line)
            client.close(options.timeout)
    except (RingtailError, OSError, ValueError) as why:  # TimeoutError is an OSError
        print(f"ringtail: {why}", file=sys.stderr)
        return 1
    stats = client.stats()
    print(f"acked {stats.acked}, rejected {stats.rejected}, connections {stats.connections}")
    return 1 if stats.rejected else 0


if __name__ == "__main__":
    sys.exit(main())
