#!/bin/sh
# image.sh DIR [BINARY]: lays out in DIR what deploy/Dockerfile makes an image of: the files in root,
# and ring-dir, which is to be the container's user's. Without BINARY it builds one, static, with
# musl: CC=musl-gcc but on Alpine. VERSION is the binary's.
set -eu
dir=${1:?DIR} project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir/rootfs/bin" "$dir/rootfs/etc/ssl/certs" "$dir/rootfs/etc/ringtail" "$dir/ring-dir"
if [ -n "${2:-}" ]; then
  cp "$2" "$dir/rootfs/bin/ringtail"
else
  (cd "$project" && go build -trimpath -tags musl -ldflags "-s -w -X main.version=${VERSION:-} -linkmode external -extldflags '-static'" \
    -o "$dir/rootfs/bin/ringtail" ./cmd/ringtail)
fi
cp /etc/ssl/certs/ca-certificates.crt "$dir/rootfs/etc/ssl/certs/" # for TLS to Kafka
cp "$project/deploy/image.yaml" "$dir/rootfs/etc/ringtail/ringtail.yaml"
chmod -R u=rwX,go=rX "$dir/rootfs"
chmod 700 "$dir/ring-dir"
