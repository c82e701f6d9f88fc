package main

// openLabels are the labels whose values depend on the configuration, and what these are. No client
// can make one up, see TestNoClientMakesSeries.
var openLabels = map[string]string{
	"shard":       "the number of the shard, from 0; `dead-letter` for the ring of dead letters",
	"listener":    "the listener's URL, as the ready line has it",
	"broker":      "the broker's id",
	"version":     "the binary's",
	"certificate": "the common name of a certificate, or its file",
	"topic":       "the topic that is read",
	"to":          "the topic that is written to",
	"partition":   "the partition, from 0",
	"group":       "the consumer group; empty without `--group`",
}

// closedLabels are the sets of values of all others, with the meaning of each.
var closedLabels = []map[string]string{
	{ // of records
		"bad_json":         "not JSON",
		"bad_number":       "the field is no number, in none of the ways that `int()` of Python takes",
		"bad_utf8":         "not UTF-8",
		"missing_field":    "it has no such field",
		"not_object":       "JSON, but no object",
		"refused_by_kafka": "Kafka refused it for good, after it was routed",
		"too_deep":         "nested deeper than 512",
		"too_large":        "over `--max-record-bytes` or the topic's limit",
		"truncated":        "the connection ended inside of it",
		"unauthorized":     "no token of `--token-file` came first",
	},
	{ // of connections that ended
		"bad_stream":           "the stream could not be followed any more",
		"client":               "the client ended it, and everything before was taken",
		"cut_off":              "the server stopped, and the client went on sending",
		"drain":                "the server stopped, and the client was silent",
		"error":                "our own fault: no descriptor, no memory",
		"first_record_timeout": "no record within `--first-record-timeout`",
		"foreign":              "it spoke something else than records",
		"frame_timeout":        "an unfinished record was older than `--frame-timeout`, or lines that took memory others waited for were unread for as long",
		"idle_timeout":         "nothing came for `--idle-timeout`",
		"max_age":              "it was as old as `--max-connection-age`",
		"reset":                "the client's reset, or an error of the socket",
		"tls":                  "what came was no TLS, or ended inside of a TLS record",
		"unauthorized":         "it did not begin with a token of `--token-file`",
	},
	{ // of connections that were refused
		"denied":                 "`--deny` has its address, or `--allow` has not",
		"descriptors":            "no file descriptor is left, or too few",
		"error":                  "the socket died before it could be read",
		"max_connections":        "there are `--max-connections`",
		"max_connections_per_ip": "there are `--max-connections-per-ip` of its address",
		"proxy_header":           "its PROXY header is missing, wrong or too late, or it is not of `--proxy-from`",
		"tls_handshake":          "its TLS handshake failed, was too late, or was given up for a newer one",
	},
	{ // of requests to the admin port
		"cross_origin": "a page of another origin asks, in somebody's browser",
		"host":         "it was sent to a name that is not this machine's; see `--admin-host`",
		"unauthorized": "it has no token of `--admin-token-file`",
	},
	{ // of the verdict
		"clients":  "clients send nothing, or nothing that can be taken, or do not read",
		"draining": "it stops; no record is taken any more",
		"ok":       "records arrive",
		"slow":     "records take long, and it is known where",
		"starting": "no record is taken yet",
		"stuck":    "a partition takes no records",
	},
	{ // of what became of a processed record
		"dead_lettered": "its dead letter was written, with `--on-error letter`",
		"skipped":       "it gave no result, with `--on-error skip`",
		"written":       "its result was",
	},
	{ // of the stages
		"broker": "from the request that carries it until Kafka's answer",
		"parse":  "in event loops: framing, judging, copying",
		"ring":   "in its ring, before the writer takes it",
		"socket": "unread, since there is no room, no memory, or the client is too fast",
		"writer": "in the writer, before its request is sent",
	},
}
