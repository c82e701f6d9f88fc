#!/bin/sh
# Before a removal, of deb (remove) and rpm (0), and not before an upgrade. The stop drains.
set -e
case $1 in remove | 0) ;; *) exit 0 ;; esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now ringtail.socket ringtail.service
