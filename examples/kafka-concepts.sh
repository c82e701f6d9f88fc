#!/usr/bin/env bash
# Kafka's concepts, one at a time: keys, partitions, groups, offsets, headers,
# compression.
source "$(dirname "$0")/common.sh"
kafka 1
concepts=$(named concepts) readers=$(named readers)
create "$concepts" --partitions 3

say "the same key goes to the same partition (Java's murmur2, so Java producers agree)"
for user in ada alan grace ada; do
  echo "{\"user\":\"$user\"}" | "$RINGTAIL" produce --topic "$concepts" --key-field user
done
run "$RINGTAIL" consume --topic "$concepts" --from beginning --until-end

say "without a key, one partition after the other"
printf 'a\nb\nc\nd\n' | run "$RINGTAIL" produce --topic "$concepts" --raw
run "$RINGTAIL" consume --topic "$concepts" --from beginning --until-end | grep 'key= '

say "an explicit partition, a header, compressed"
echo '{"text":"こんにちは","nested":{"deep":[1,2,3]}}' |
  run "$RINGTAIL" produce --topic "$concepts" --key 挨拶 --partition 2 --header lang=ja -X compression.type=zstd
run "$RINGTAIL" consume --topic "$concepts" --partition 2 --from beginning --until-end --format json

say "a group remembers where it was: the second call finds nothing new"
run "$RINGTAIL" consume --topic "$concepts" --group "$readers" --from beginning --until-end --format value | wc -l
run "$RINGTAIL" consume --topic "$concepts" --group "$readers" --from beginning --until-end --format value | wc -l
run "$RINGTAIL" topics describe "$concepts" --group "$readers"

say "an offset: from the second record of partition 2 on, if there is one"
run "$RINGTAIL" consume --topic "$concepts" --partition 2 --from 1 --until-end
