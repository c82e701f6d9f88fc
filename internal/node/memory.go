package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/cgroup"
	"github.com/ringtail/ringtail/internal/config"
)

// otherMemory is what a node takes beside rings and clients' memory: its code, stacks, connections,
// and what the writer has under way. Half of it lies outside Go's heap.
const otherMemory = 64 << 20

// limitMemory compares what a node may take with the memory limit of its control group. All of the
// rings is allocated at the start, so without this a group with less room has the kernel kill the
// process, and nothing is logged. Go's heap, which would take twice what it needs, is told to stay
// within what the rings leave. root is "/", or a test's.
func (n *node) limitMemory(root string) error {
	mapped, need := n.opt.memory()
	limit, limited := cgroup.MemoryLimit(root)
	if limited && need > limit.Bytes {
		rings, advice := need-n.opt.ClientMemory-otherMemory, "lower --client-memory, or raise the limit"
		if rings > 0 {
			advice = "lower --ring-bytes or --client-memory, raise the limit, or give a --ring-dir on a disk"
		}
		return config.Usagef("rings (--ring-bytes %s) take %s, --client-memory %s, the rest about %s: %s together, and the memory limit is %s (%s); %s",
			config.Size(n.opt.RingBytes), mebibytes(rings), config.Size(n.opt.ClientMemory), config.Size(otherMemory),
			mebibytes(need), mebibytes(limit.Bytes), limit.File, advice)
	}
	total, old := cgroup.Total(root), n.inherited.besides(&n.opt)
	if limited && need > limit.Bytes-old {
		return config.Usagef("the process to be taken over takes %s, and this one %s beside it: over the memory limit of %s (%s); restart instead, or raise the limit",
			mebibytes(old), mebibytes(need), mebibytes(limit.Bytes), limit.File)
	}
	if total > 0 && need > total {
		return config.Usagef("rings (--ring-bytes %s) and clients (--client-memory %s) take %s together, and the machine has %s; lower --shards, --ring-bytes or --client-memory, or give a --ring-dir on a disk",
			config.Size(n.opt.RingBytes), config.Size(n.opt.ClientMemory), mebibytes(need), mebibytes(total))
	}
	if total > 0 && need > total-old {
		return config.Usagef("the process to be taken over takes %s, and this one %s beside it: more than the machine's %s; restart instead",
			mebibytes(old), mebibytes(need), mebibytes(total))
	}
	if free := cgroup.Available(root); free > 0 && need > free {
		n.env.Log.Warn("the machine has less memory available than rings and clients may take",
			"ring_bytes", n.opt.RingBytes, "client_memory", n.opt.ClientMemory, "bytes", need, "available", free)
	}
	if limited && os.Getenv("GOMEMLIMIT") == "" { // whoever sets it has decided
		debug.SetMemoryLimit(limit.Bytes - mapped - otherMemory/2)
	}
	return nil
}

// memory returns what a node may take at most: rings outside Go's heap, and everything.
//
// Ring files on a disk are not counted: they are the kernel's cache, which it writes back and drops
// where a group needs room. In memory and on a file system that lies there (tmpfs) they stay.
func (o *Options) memory() (mapped, need int64) {
	const wordsPart = 8 // of a ring's bytes there is one more in its table of words
	rings := int64(o.Codec.Shards)
	if o.DeadLetterTopic != "" {
		rings++
	}
	need = min(o.ClientMemory, 1<<60) + otherMemory // rings are below 2^50 bytes: no sum overflows
	switch bytes := rings * int64(o.RingBytes); {
	case o.RingDir == "":
		mapped = bytes
		need += bytes + bytes/wordsPart // the tables are Go's
	case liesInMemory(o.RingDir):
		mapped = bytes + bytes/wordsPart
		need += mapped
	}
	return mapped, need
}

// liesInMemory tells whether the files of a directory, which may have to be made, do.
func liesInMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6 // statfs(2)
	var s unix.Statfs_t
	for {
		err := unix.Statfs(dir, &s)
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		return err == nil && (s.Type == tmpfs || s.Type == ramfs)
	}
}

// mebibytes rounds up to a size that people read.
func mebibytes(n int64) config.Size { return config.Size((n + 1<<20 - 1) &^ (1<<20 - 1)) }
