package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/ringtail/ringtail/client"
)

// startServer starts `ringtail serve --ack kafka`.
var startServer = client.StartServer

// Send a few records and see them through: after Close they are in Kafka.
func Example() {
	address, stop := startServer() // for example tcp://127.0.0.1:8888
	defer stop()

	c, err := client.New(client.Options{Address: address})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for i := range 1000 {
		record := fmt.Appendf(nil, `{"number":%d,"event":"click"}`, i)
		if _, err := c.Send(ctx, record); err != nil {
			log.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		log.Fatal(err) // says how many records are not known to be in Kafka, and why
	}
	fmt.Println("all in Kafka")
	// Output: all in Kafka
}

// OnReject hears of records that the server does not take. By the time Flush returns it
// has heard of all that were sent before.
func ExampleOptions_onReject() {
	address, stop := startServer()
	defer stop()

	c, err := client.New(client.Options{
		Address: address,
		OnReject: func(seq uint64, record []byte, reason string) {
			fmt.Printf("record %d, %s: %s\n", seq, record, reason)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer c.Close(ctx)
	for _, record := range []string{`{"number":1}`, `{"numbre":2}`, `{"number":"three"}`, `{"number":4}`} {
		if _, err := c.Send(ctx, []byte(record)); err != nil {
			log.Fatal(err)
		}
	}
	if err := c.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// record 2, {"numbre":2}: missing_field
	// record 3, {"number":"three"}: bad_number
}

// Some records are not sent at all: the server would count others than the client.
func ExampleClient_Send_errors() {
	c, err := client.New(client.Options{Address: "tcp://127.0.0.1:8888"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer c.Close(ctx)
	_, err = c.Send(ctx, []byte("{\"number\":\n1}"))
	fmt.Println(err)
	_, err = c.Send(ctx, []byte(`{"number":1}{"number":2}`))
	fmt.Println(err, errors.Is(err, client.ErrNotObject))
	// Output:
	// client: record holds a newline, at byte 10; take it out, or use Length framing
	// client: record is not one JSON object: it ends at byte 12 of 24 true
}

// SendWait is for records one at a time: nil means that this one is in Kafka.
func ExampleClient_SendWait() {
	address, stop := startServer()
	defer stop()

	c, err := client.New(client.Options{Address: address})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer c.Close(ctx)
	fmt.Println(c.SendWait(ctx, []byte(`{"number":7}`)))
	err = c.SendWait(ctx, []byte(`{"numbre":7}`))
	var rejected *client.RejectError
	fmt.Println(errors.As(err, &rejected), rejected.Reason)
	fmt.Printf("%+v\n", c.Stats())
	// Output:
	// <nil>
	// true missing_field
	// {Sent:2 Resent:0 Acked:2 Rejected:1 Unacked:0 Connects:1 Bytes:26}
}
