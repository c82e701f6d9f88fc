"""Send JSON records to `ringtail serve --ack kafka`, and know what is in Kafka."""

from ._client import Client, Stats
from ._errors import NoAcks, RingtailError, Unauthorized

__all__ = ["Client", "NoAcks", "RingtailError", "Stats", "Unauthorized"]
