package wire_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/ringtail/ringtail/wire"
)

// Answers reads what the server says to a client of --ack kafka.
func ExampleAnswers_Read() {
	connection := strings.NewReader("{\"acked\":2}\n{\"rejected\":3,\"reason\":\"bad_json\"}\n{\"acked\":3}\n")
	answers := wire.Answers{Framing: wire.Newline}
	for {
		answer, err := answers.Read(connection)
		if err == io.EOF {
			break
		}
		if answer.Rejected > 0 {
			fmt.Println("record", answer.Rejected, "was rejected:", answer.Reason)
			continue
		}
		fmt.Println(answer.Acked, "records are done for good")
	}
	// Output:
	// 2 records are done for good
	// record 3 was rejected: bad_json
	// 3 records are done for good
}
