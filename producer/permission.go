package producer

import (
	"context"
	"fmt"
)

// permitted returns an error where brokers say that our account may not write to the topic: before
// the first record, which would be refused. Brokers without ACLs permit everything; of those that
// do not tell, the first record does.
func (w *watcher) permitted() error {
	ctx, cancel := context.WithTimeout(w.admin.ctx, w.admin.limit)
	defer cancel()
	if forbidden, err := w.admin.asker().forbidden(ctx, w.name); err != nil || !forbidden {
		return nil // or they do not tell
	}
	return fmt.Errorf("topic %s: this account may not write to it; grant it: kafka-acls --add --allow-principal User:… --operation Write --topic %s", w.name, w.name)
}
