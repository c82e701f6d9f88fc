#!/bin/sh
# Behind a removal. Only purge takes the ring files, and with them the records that a stop has kept.
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0
rm -rf /var/lib/ringtail /var/lib/private/ringtail
! getent passwd ringtail >/dev/null || userdel ringtail
