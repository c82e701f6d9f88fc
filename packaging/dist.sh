#!/usr/bin/env bash
# What a release consists of: packaging/dist.sh [OUT [PLATFORM…]] writes an archive for each platform,
# with one static file, packages for Linux, what each binary is made of (CycloneDX), and checksums.
# The platform of this machine has to be among them. The same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist}
[ $# -lt 2 ] || shift
[ $# -gt 0 ] && [ "$1" != "$out" ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
zig=0.15.2 # its C compiler has musl for every architecture

host=linux/$(go env GOHOSTARCH)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
rm -rf "$out"
mkdir -p "$out/work"
out=$(cd "$out" && pwd)

# compiler says which C compiler makes static files for a platform.
compiler() {
  local dir=${XDG_CACHE_HOME:-$HOME/.cache}/ringtail/zig-$zig
  [ "$1" != "$host" ] || { echo musl-gcc; return; }
  [ -x "$dir/ziglang/zig" ] || python3 -m pip install --quiet --disable-pip-version-check --target "$dir" "ziglang==$zig" >&2
  case $1 in
    linux/amd64) echo "$dir/ziglang/zig cc -target x86_64-linux-musl" ;;
    linux/arm64) echo "$dir/ziglang/zig cc -target aarch64-linux-musl" ;;
  esac
}

# binary builds ringtail for a platform.
binary() {
  local cc
  if [ "${1%/*}" != linux ]; then # for development, or the tools alone: without C
    CGO_ENABLED=0 GOOS=${1%/*} GOARCH=${1#*/} go build -buildvcs=auto -ldflags '-s -w' -o "$out/work/$1/" ./cmd/ringtail
    return
  fi
  cc=$(compiler "$1")
  CC=$cc CGO_ENABLED=1 GOOS=${1%/*} GOARCH=${1#*/} go build -buildvcs=auto -tags musl \
    -ldflags '-s -w -linkmode external -extldflags "-static -s"' -o "$out/work/$1/ringtail" ./cmd/ringtail
}

# bill lists what a binary is made of: the modules that Go noted, and the C that it does not know of,
# of which other systems than Linux have none.
bill() {
  GOFLAGS='' go run $cyclonedx bin -json -noserial -notimestamp -version "v$version" -output "$2" "$1"
  [[ $1 = "$out"/work/linux/* ]] || return 0
  python3 - "$1" "$2" "$librdkafka" <<'END'
import json, re, sys
binary, bill, librdkafka = sys.argv[1:]
data, parts = open(binary, "rb").read(), {"librdkafka": librdkafka}
for name, marks in {"openssl": rb"OpenSSL (\d+\.\d+\.\d+) ", "zlib": rb"inflate (\d+\.\d+[.\d]*) Copyright", "curl": rb"libcurl/(\d+\.\d+\.\d+)"}.items():
    found = re.search(marks, data)
    parts[name] = found.group(1).decode() if found else ""
document = json.load(open(bill))
for name, version in list(parts.items()) + [("zstd", ""), ("musl", "")]:
    c = {"type": "library", "bom-ref": "linked:" + name, "name": name}
    document["components"].append({**c, "version": version, "purl": f"pkg:generic/{name}@{version}"} if version else c)
json.dump(document, open(bill, "w"), indent=2)
END
}

# archive packs a folder, whoever has it and whenever it was made.
archive() {
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$out/work" -cf - "$1" | gzip -9n >"$out/$1.tar.gz"
}

# release makes what there is of a platform.
release() {
  local built=$out/work/$1 name=ringtail_${version}_${1/\//_} exe=
  [ "${1%/*}" != windows ] || exe=.exe
  local files=$out/work/$name root=$built/root
  install -d "$files/completions"
  install -m 755 "$built/ringtail$exe" "$files"
  install -m 644 LICENSE NOTICE third_party.txt README.md CHANGELOG.md docs/ringtail.1 \
    deploy/ringtail.service deploy/ringtail.socket deploy/ringtail.yaml "$files"
  install -m 644 "$out/work/completions/"* "$files/completions"
  archive "$name"
  bill "$built/ringtail$exe" "$out/$name.cdx.json"
  [ "${1%/*}" = linux ] || return 0

  install -D -m 755 "$built/ringtail" "$root/usr/bin/ringtail"
  install -D -m 644 -t "$root/usr/lib/systemd/system" deploy/ringtail.service deploy/ringtail.socket
  install -D -m 644 -t "$root/usr/share/doc/ringtail" LICENSE NOTICE third_party.txt README.md CHANGELOG.md
  install -D -m 644 LICENSE "$root/usr/share/doc/ringtail/copyright"
  install -D -m 644 "$files/completions/ringtail.bash" "$root/usr/share/bash-completion/completions/ringtail"
  install -D -m 644 "$files/completions/ringtail.fish" "$root/usr/share/fish/vendor_completions.d/ringtail.fish"
  install -D -m 644 docs/ringtail.1 "$root/usr/share/man/man1/ringtail.1"
  gzip -9n "$root/usr/share/man/man1/ringtail.1"
  cp "$files/completions/_ringtail" packaging/*.sh deploy/ringtail.yaml "$built"
  find "$built" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  local config=$PWD/packaging/nfpm.yaml kind
  for kind in deb rpm; do
    (cd "$built" && ARCH=${1#*/} VERSION=$version GOFLAGS='' go run $nfpm package --config "$config" --packager $kind --target "$out/") >/dev/null
  done
}

for platform in "$@"; do
  binary "$platform"
done
version=$("$out/work/$host/ringtail" version | sed -n 's/^ringtail //p')
librdkafka=$("$out/work/$host/ringtail" version | sed -n 's/^librdkafka //p')
install -d "$out/work/completions"
for shell in bash zsh fish; do
  "$out/work/$host/ringtail" completion $shell >"$out/work/completions/ringtail.$shell"
done
mv "$out/work/completions/ringtail.zsh" "$out/work/completions/_ringtail"
for platform in "$@"; do
  release "$platform"
done
rm -r "$out/work"
(cd "$out" && sha256sum ringtail* >SHA256SUMS && cat SHA256SUMS)
