"""What ends a Client. Connections that break do not: it connects again."""


class RingtailError(Exception):
    """The Client has ended, and says why. What was not acked may be in Kafka or not."""


class NoAcks(RingtailError):
    """No address answers as a Ringtail with `--ack kafka` does. No record was sent."""


class Unauthorized(RingtailError):
    """No address knows the token. No record was sent."""
