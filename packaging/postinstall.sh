#!/bin/sh
# Behind an installation or upgrade, of deb and rpm. A server that runs is started again, and drains
# first; one that does not is not: its brokers have to be set before.
set -e
# The unit's user, so that files of /etc/ringtail can be its group's.
getent passwd ringtail >/dev/null ||
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ringtail
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl try-restart ringtail.service
