"""Logs 20 messages by python-logstash-async, each with a number."""
import logging
import sys

from logstash_async.formatter import LogstashFormatter
from logstash_async.handler import AsynchronousLogstashHandler

handler = AsynchronousLogstashHandler("127.0.0.1", int(sys.argv[1]), database_path=None)
handler.setFormatter(LogstashFormatter(extra_prefix=None))
log = logging.getLogger("test")
log.setLevel(logging.INFO)
log.addHandler(handler)
for i in range(20):
    log.info("message %d of %s", i, "çÅ{}", extra={"number": i})
handler.close()
