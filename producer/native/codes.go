package native

import "github.com/twmb/franz-go/pkg/kerr"

// codeKind is what an error code of a partition means for its batch.
type codeKind int

const (
	codeWritten  codeKind = iota
	codeUnknown           // it may be in the log; try again until that is known
	codeDoubtful          // it may be in the log; after triesMax of these the next client encodes it anew
	codeLost              // it may be in the log, and another try would not tell; the next client sends it
	codeRefused           // it is not in the log, and these bytes never will be; the next client sends it
)

// triesMax is how often a batch is tried whose responses are doubtful. If its bytes are bad in our
// memory, they stay bad; the ring has the records.
const triesMax = 5

// codeTable says what Kafka's error codes mean. To try again is safe with any code, since the
// broker knows the batch by its sequence. But bytes that no broker will take must not be tried for
// ever. The next client costs a producer id, which brokers remember for a day, and stops every
// shard; so an error that may pass by itself does not lead to it.
//
// The comments say what other clients do differently: J is Java's producer 4.1 (Sender,
// TransactionManager), F franz-go 1.22 (sink.go), L librdkafka 2.14 (rd_kafka_handle_Produce_error)
// with enable.gapless.guarantee.
var codeTable = []struct {
	verdict codeKind
	why     string // for the log
	codes   []*kerr.Error
}{
	{codeWritten, "an earlier try was written and its answer lost", []*kerr.Error{
		kerr.DuplicateSequenceNumber,
	}},
	{codeUnknown, "the leader moves or does not know yet that it leads; one that lost its partition may have written before", []*kerr.Error{
		kerr.UnknownTopicOrPartition, // F: a limited number of times; L: refreshes, counts it as not written
		kerr.NotLeaderForPartition,   // L: counts it as not written
		kerr.LeaderNotAvailable, kerr.ReplicaNotAvailable,
		kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, // L: an error
		kerr.UnknownTopicID, kerr.InconsistentTopicID, // L: an error
		kerr.ListenerNotFound, kerr.PreferredLeaderNotAvailable, kerr.EligibleLeadersNotAvailable, // L: an error
		kerr.NotController, // L: an error
	}},
	{codeUnknown, "the broker has too few replicas, no time or no disk; Kafka writes nothing at the first two of these, others are not known to", []*kerr.Error{
		kerr.NotEnoughReplicas,
		kerr.ThrottlingQuotaExceeded, // L: an error
		kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
		kerr.KafkaStorageError, // L: counts it as not written
		kerr.NetworkException,  // L: an error
	}},
	{codeUnknown, "passes by itself; brokers do not say it of produce requests, proxies do", []*kerr.Error{
		kerr.BrokerNotAvailable, // J: an error
		kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator,
		kerr.ConcurrentTransactions, // L: an error
		kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch, kerr.FetchSessionTopicIDError, kerr.ShareSessionLimitReached,
		kerr.OffsetNotAvailable, kerr.ElectionNotNeeded, kerr.UnstableOffsetCommit, kerr.RebalanceInProgress, // J, F, L: an error for some
	}},
	{codeDoubtful, "our bytes, or the broker, are not well", []*kerr.Error{
		kerr.CorruptMessage,     // J, L: retry; F: an error
		kerr.UnknownServerError, // J, F, L: an error
	}},
	{codeRefused, "the topic or the broker does not take such a batch", []*kerr.Error{ // J, F, L: an error
		kerr.MessageTooLarge, // J: splits the batch
		kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation, kerr.InvalidTopicException,
		kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType, kerr.InvalidRequiredAcks, kerr.InvalidRequest, kerr.UnsupportedVersion,
	}},
	{codeRefused, "not permitted", []*kerr.Error{ // J, F, L: an error
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	}},
	{codeLost, "the broker does not know our producer id or sequence any more", []*kerr.Error{ // J, F: a new epoch; L: an error, or a new epoch
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.ProducerFenced,
	}},
}

// codeMeaning is a row of codeTable for one code.
type codeMeaning struct {
	kind codeKind
	why  string
}

var codeMeanings = func() map[int16]codeMeaning {
	m := map[int16]codeMeaning{0: {codeWritten, ""}}
	for _, row := range codeTable {
		for _, c := range row.codes {
			m[c.Code] = codeMeaning{row.verdict, row.why}
		}
	}
	return m
}()

// classify returns what a broker's code means. A code that is not in codeTable does not belong to
// produce requests, or is younger than the table.
func classify(code int16) codeMeaning {
	if r, ok := codeMeanings[code]; ok {
		return r
	}
	return codeMeaning{codeDoubtful, "not an answer to produce requests that is known"}
}
