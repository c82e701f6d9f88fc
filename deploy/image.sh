#!/bin/sh
# image.sh DIR [BINARY]: lays out in DIR what deploy/Dockerfile makes an image of: the files in root,
# and ring-dir, which is to be the container's user's. Without BINARY it builds one, static, with
# musl: CC=musl-gcc but on Alpine. VERSION is the binary's.
set -eu
dir=${1:?DIR} project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir/root/bin" "$dir/root/etc/ssl/certs" "$dir/root/etc/ringtail" "$dir/ring-dir"
if [ -n "${2:-}" ]; then
  cp "$2" "$dir/root/bin/ringtail"
else
  (cd "$project" && go build -trimpath -tags musl -ldflags "-s -w -X main.version=${VERSION:-} -linkmode external -extldflags '-static'" \
    -o "$dir/root/bin/ringtail" ./cmd/ringtail)
fi
cp /etc/ssl/certs/ca-certificates.crt "$dir/root/etc/ssl/certs/" # for TLS to Kafka
cp "$project/deploy/image.yaml" "$dir/root/etc/ringtail/ringtail.yaml"
chmod -R u=rwX,go=rX "$dir/root"
chmod 700 "$dir/ring-dir"
