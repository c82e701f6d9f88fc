"""Logs 20 messages by graypy, GELF over TCP, each with a number."""
import logging
import sys

sys.path.pop(0)  # this directory: the library has this file's name
import graypy

handler = graypy.GELFTCPHandler("127.0.0.1", int(sys.argv[1]))
log = logging.getLogger("test")
log.setLevel(logging.INFO)
log.addHandler(handler)
for i in range(20):
    log.info("message %d of %s\nin two lines", i, "çÅ{}", extra={"number": i})
handler.close()
