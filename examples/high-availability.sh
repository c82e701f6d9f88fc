#!/usr/bin/env bash
# Administration, and one of three brokers gone: reading goes on, and writing too,
# because min.insync.replicas=1 lets one replica do.
source "$(dirname "$0")/common.sh"
if [ -n "${BROKERS:-}" ]; then
  echo "this example stops a broker, so it starts a Kafka of its own: unset BROKERS" >&2
  exit 2
fi
kafka 3

run "$RINGTAIL" topics create orders --partitions 6 --replication-factor 2 --config min.insync.replicas=1
run "$RINGTAIL" topics list
run "$RINGTAIL" topics describe orders
echo '{"注文":{"品":"りんご","数":[1,2]}}' | run "$RINGTAIL" produce --topic orders --key 東京
run "$RINGTAIL" consume --topic orders --from beginning --until-end
run "$RINGTAIL" produce --topic orders --generate stream --count 3000

say "broker 3 is stopped"
kill "$(cat "$work/kafka/3/pid")"
until [ -z "$("$RINGTAIL" topics describe orders | awk '$2 == 3 || $2 == "none"')" ]; do sleep 1; done
run "$RINGTAIL" topics describe orders

say "writing and reading go on"
run "$RINGTAIL" produce --topic orders --generate stream --count 3000
run "$RINGTAIL" consume --topic orders --from beginning --until-end --format value | wc -l
run "$RINGTAIL" topics delete orders
run "$RINGTAIL" topics list
