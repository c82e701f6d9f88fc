"""What README.md shows does what it says."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from fake import Fake, Peer


class Readme(unittest.TestCase):
    def test_examples(self) -> None:
        text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.S)
        self.assertEqual(len(blocks), 2)
        for block, records in zip(blocks, (1000, 1)):

            def serve(peer: Peer) -> None:
                peer.answer_hello()
                peer.until_end()

            with self.subTest(block), Fake(serve) as fake:
                exec(compile(block.replace("tcp://127.0.0.1:8888", fake.address), "README.md", "exec"), {})
                self.assertEqual(len(fake.records()), records)


if __name__ == "__main__":
    unittest.main()
