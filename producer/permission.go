package producer

import (
	"context"
	"fmt"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// permitted returns an error where brokers say that our account may not write to the topic: before
// the first record, which would be refused. Brokers without ACLs permit everything; of those that
// do not tell, the first record does.
func (w *watcher) permitted() error {
	ctx, cancel := context.WithTimeout(w.admin.ctx, w.admin.limit)
	defer cancel()
	r, err := w.admin.client.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{w.name}),
		kafka.SetAdminOptionIncludeAuthorizedOperations(true), kafka.SetAdminRequestTimeout(w.admin.limit))
	if err != nil || len(r.TopicDescriptions) != 1 {
		return nil // they do not tell
	}
	may := r.TopicDescriptions[0].AuthorizedOperations
	if len(may) == 0 || slices.Contains(may, kafka.ACLOperationWrite) || slices.Contains(may, kafka.ACLOperationAll) {
		return nil
	}
	return fmt.Errorf("topic %s: this account may not write to it; grant it: kafka-acls --add --allow-principal User:… --operation Write --topic %s", w.name, w.name)
}
