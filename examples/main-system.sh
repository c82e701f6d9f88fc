#!/usr/bin/env bash
# The main job: records over TCP, ten ordered shards, each in its own partition.
source "$(dirname "$0")/common.sh"
kafka 1

records=$(named records)
create "$records" --partitions 10
serve --topic "$records" --ack kafka
say "a server at $TARGET, its live page at $ADMIN"

say "100,000 records, in order, each acked once Kafka has it"
run "$RINGTAIL" produce --to "$TARGET" --generate numbers --count 100000 --ack

say "each digit has its partition"
run "$RINGTAIL" topics describe "$records"
run "$RINGTAIL" consume --topic "$records" --partition 7 --from beginning --count 5

say "the stop says what became of every record"
kill "${pids[-1]}"
wait "${pids[-1]}" || true
tail -n 1 "$work/log"
