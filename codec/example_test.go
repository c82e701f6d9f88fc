package codec_test

import (
	"fmt"
	"log"

	"github.com/ringtail/ringtail/codec"
)

// A Decoder takes what each read brought, however it is cut, and yields records with their
// verdicts.
func ExampleDecoder() {
	router, err := codec.NewRouter(codec.Options{Field: "number", Shards: 10, MaxRecordBytes: 1000})
	if err != nil {
		log.Fatal(err)
	}
	var d codec.Decoder
	d.Init(codec.Newline)
	var record codec.Record
	tell := func() {
		for d.Next(router, &record) {
			if record.Reason == codec.OK {
				fmt.Printf("shard %d: %s\n", record.Shard, record.Data)
			} else {
				fmt.Printf("%v: %s\n", record.Reason, record.Data)
			}
		}
	}
	for _, chunk := range []string{"{\"number\":17}\n{\"numb", "er\":\"-4\"}\n{\"name\":\"x\"}\n[17]"} {
		d.Feed([]byte(chunk))
		tell()
	}
	d.End() // the last line has no line feed
	tell()
	d.Release()
	// Output:
	// shard 7: {"number":17}
	// shard 6: {"number":"-4"}
	// missing_field: {"name":"x"}
	// not_object: [17]
}

// The shard is int(value) % shards as CPython has it, also of strings and of other scripts' digits.
func ExampleRouter_Judge() {
	router, err := codec.NewRouter(codec.Options{Field: "user.id", Shards: 10, KeyField: "name", MaxRecordBytes: 1000})
	if err != nil {
		log.Fatal(err)
	}
	var record codec.Record
	for _, text := range []string{
		`{"user":{"id":"١٢"},"name":"Zoë"}`,
		`{"user":{"id":3.9},"name":[1, 2]}`,
		`{"user":{"id":"3.9"}}`,
	} {
		router.Judge(&record, []byte(text))
		if record.Reason != codec.OK {
			fmt.Println(record.Reason)
			continue
		}
		fmt.Printf("shard %d, key %s\n", record.Shard, record.Key)
	}
	// Output:
	// shard 2, key Zoë
	// shard 3, key [1, 2]
	// bad_number
}
