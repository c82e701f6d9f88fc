# What the examples share. Sourced, not run.
#
#   BROKERS=host:port,…  use that Kafka; else deploy/kafka.sh starts one (three
#                        brokers where the example says so) and stops it at the end.
#                        On one that others use, topics and groups have names of their
#                        own, and the topics are deleted at the end
#   RINGTAIL=path        the binary; else bin/ringtail, built if it is not there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RINGTAIL=${RINGTAIL:-bin/ringtail}
[ -x "$RINGTAIL" ] || make --no-print-directory build

work=$(mktemp -d)
own_kafka=
pids=()
made=()

cleanup() {
  local pid topic
  for pid in ${pids[@]+"${pids[@]}"}; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
  done
  if [ -z "$own_kafka" ]; then
    for topic in ${made[@]+"${made[@]}"}; do "$RINGTAIL" topics delete "$topic" >&2 || true; done
  fi
  [ -z "$own_kafka" ] || deploy/kafka.sh stop --dir "$work/kafka" >&2 || true
  rm -rf "$work"
}
trap cleanup EXIT

# kafka N: BROKERS is a Kafka of N brokers afterwards.
kafka() {
  if [ -z "${BROKERS:-}" ]; then
    own_kafka=yes
    BROKERS=$(deploy/kafka.sh start --brokers "$1" --dir "$work/kafka" --port "${PORT:-19092}")
  fi
  export RINGTAIL_BROKERS=$BROKERS
  say "Kafka at $BROKERS"
}

# named NAME: what a topic or a group is called in this run.
named() { if [ -n "$own_kafka" ]; then echo "$1"; else echo "$1-${work##*.}"; fi; }

# create NAME [flags]: makes a topic.
create() {
  run "$RINGTAIL" topics create "$@"
  made+=("$1")
}

# serve [flags]: a server on free ports; TARGET and ADMIN are its addresses.
serve() {
  "$RINGTAIL" serve --listen tcp://127.0.0.1:0 --admin 127.0.0.1:0 "$@" >"$work/ready" 2>"$work/log" &
  pids+=($!)
  until grep -q '^ringtail: ready' "$work/ready"; do
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
  done
  TARGET=$(grep -o 'listen=[^ ]*' "$work/ready" | cut -d= -f2)
  ADMIN=$(grep -o 'admin=[^ ]*' "$work/ready" | cut -d= -f2)
}

# get URL: what an HTTP server answers, without curl.
get() {
  local rest=${1#http://}
  local address=${rest%%/*}
  exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
  printf 'GET /%s HTTP/1.0\r\n\r\n' "${rest#*/}" >&3
  cat <&3
  exec 3<&-
}

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "${*/#$RINGTAIL/ringtail}" >&2; "$@"; }
