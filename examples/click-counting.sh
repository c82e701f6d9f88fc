#!/usr/bin/env bash
# Clicks, keyed by user so that a user stays in one partition, counted by a group of
# consumers: two share the partitions, and when one dies another takes over.
source "$(dirname "$0")/common.sh"
kafka 1

clicks=$(named click_events) counters=$(named click_counter_group)
create "$clicks" --partitions 6
group=(--topic "$clicks" --group "$counters" --from beginning --count-by user_id
  -X session.timeout.ms=6000) # how long a dead member is waited for

say "two consumers share six partitions"
"$RINGTAIL" consume "${group[@]}" >"$work/first" &
first=$!
"$RINGTAIL" consume "${group[@]}" --metrics 127.0.0.1:0 >"$work/second" 2>"$work/second.log" &
second=$!
pids+=($first $second)
until [[ $("$RINGTAIL" topics describe "$clicks" --group "$counters") == *': stable, 2 members'* ]]; do sleep 1; done

run "$RINGTAIL" produce --topic "$clicks" --key-field user_id --generate clicks --count 6000 --rate 1500
run "$RINGTAIL" topics describe "$clicks" --group "$counters"

say "one is killed; the other goes on with all partitions"
kill -9 $first
wait $first 2>/dev/null || true
run "$RINGTAIL" produce --topic "$clicks" --key-field user_id --generate clicks --count 4000 --rate 1000
until [[ $("$RINGTAIL" topics describe "$clicks" --group "$counters") == *': stable, 1 member, lag 0'* ]]; do sleep 1; done
run "$RINGTAIL" topics describe "$clicks" --group "$counters"

say "the second one's metrics"
get "$(grep -o 'http://[^ ]*' "$work/second.log")" | grep '^ringtail_consumer'

kill -INT $second
wait $second || true
say "what the second one counted (the five busiest users)"
head -n 5 "$work/second"

say "one alone, from the beginning: every click once"
run "$RINGTAIL" consume --topic "$clicks" --from beginning --until-end --count-by user_id >"$work/all"
awk '{ sum += $2 } END { print NR " users, " sum " clicks" }' "$work/all"
