#!/usr/bin/env bash
# A stream processed while it runs: a generator, two workers that compute with
# transactions, and a reader that sees results as they come. One worker is killed in
# the middle: nothing is missing, nothing is there twice.
source "$(dirname "$0")/common.sh"
kafka 1
stream=$(named stream) doubled=$(named doubled) doubler=$(named doubler)
create "$stream" --partitions 4
create "$doubled" --partitions 4

work_on() {
  "$RINGTAIL" process --from "$stream" --to "$doubled" --group "$doubler" --expr '{id: id, double: value * 2}' 2>>"$work/workers" &
  pids+=($!)
}
say "two workers: process --from $stream --to $doubled --group $doubler --expr '{id: id, double: value * 2}'"
work_on
work_on

say "20,000 records in ten seconds; after five, one worker is killed and another comes"
"$RINGTAIL" produce --topic "$stream" --key-field id --generate stream --count 20000 --rate 2000 &
feeder=$!
sleep 5
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null || true
work_on
wait $feeder

say "the results, as a read_committed reader sees them"
run "$RINGTAIL" consume --topic "$doubled" --from beginning --count 3
for _ in $(seq 60); do
  results=$("$RINGTAIL" consume --topic "$doubled" --from beginning --until-end --format value | sort | uniq -c | sort -rn)
  [ "$(wc -l <<<"$results")" -lt 20000 ] || break
  sleep 1
done
awk '{ if ($1 > 1) twice++ } END { print NR " results, " twice + 0 " of them twice" }' <<<"$results"
