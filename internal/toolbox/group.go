package toolbox

import (
	"context"
	"fmt"
	"time"
)

// given takes the partitions that the group gives. The committed offset wins; where
// there is none, --from says where to begin.
func (r *consumption) given(ctx context.Context, partitions []int32) error {
	at, err := r.reader.Committed(partitions, requestMS())
	for err != nil {
		if err := r.trouble(err); err != nil || ctx.Err() != nil {
			return err
		}
		at, err = r.reader.Committed(partitions, requestMS())
	}
	return r.begin(at, r.reader.Assign)
}

// taken gives back what the group takes, once what has been shown of it is committed.
func (r *consumption) taken(partitions []int32) error {
	if !r.reader.Lost() {
		if err := r.commit(closeLimit); err != nil {
			r.progress.aloud("%v", err)
		}
	}
	r.standing.drop(partitions)
	return r.reader.Unassign(partitions)
}

// commit commits what has been shown, in the group's name: with a limit it waits for
// the answer, and an error says that it is not committed.
func (r *consumption) commit(limit time.Duration) error {
	r.committed = time.Now()
	if r.o.Group == "" || r.out.Flush() != nil {
		return nil
	}
	at := r.standing.positions(limit > 0)
	if len(at) == 0 {
		return nil
	}
	if err := r.reader.Commit(at, int(limit/time.Millisecond)); err != nil {
		return fmt.Errorf("offsets of group %s are not committed: %w", r.o.Group, err)
	}
	return nil
}
