package node

import (
	"context"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/shard"
)

// openRings makes the rings: memory, or with --ring-dir files and what they hold.
func (n *node) openRings() error {
	var err error
	if n.opt.RingDir == "" {
		n.rings, err = newRings(n.stopping, &n.opt)
		return err
	}
	files := n.opt.ringFiles()
	files.Logger, files.Stopped = n.env.Log, n.stopping.Err
	if n.dir, err = shard.OpenDir(files); err != nil {
		return err
	}
	n.rings = n.dir.Set()
	debug.FreeOSMemory() // what was read of the files
	found := n.recovered()
	deadLetters := 0
	if d := n.rings.Dead; d != nil {
		deadLetters = d.Recovered().Records
	}
	if found.Records > 0 || deadLetters > 0 {
		n.env.Log.Info("records are recovered from ring files, and sent first", "dir", n.opt.RingDir,
			"records", found.Records, "bytes", found.Bytes, "dead_letters", deadLetters, "possible_duplicates", found.PossibleDuplicates)
	}
	return nil
}

func (o *Options) ringFiles() shard.DirOptions {
	return shard.DirOptions{
		Path: o.RingDir, Topic: o.Topic, DeadTopic: o.DeadLetterTopic, Shards: o.Codec.Shards, Bytes: o.RingBytes,
		MaxRecord: o.Codec.MaxRecordBytes,
	}
}

// recovered adds up what the shards' files held, dead letters apart.
func (n *node) recovered() (sum shard.Recovered) {
	for _, r := range n.rings.Rings {
		one := r.Recovered()
		sum.Records += one.Records
		sum.Bytes += one.Bytes
		sum.PossibleDuplicates += one.PossibleDuplicates
	}
	return sum
}

// sameCluster refuses ring files for another Kafka than the one that was reached.
func (n *node) sameCluster(ctx context.Context) error {
	id, err := n.sink.cluster(ctx)
	if n.cluster = id; n.dir == nil {
		return nil // the log alone wants to know
	}
	if err != nil {
		return err
	}
	if err := n.dir.SetCluster(id); err != nil {
		return config.Usagef("%w", err)
	}
	return nil
}

// newRings makes a ring a shard in memory, and one for dead letters. All of their memory is touched,
// which may take long, so the end of ctx ends it between two of them.
func newRings(ctx context.Context, o *Options) (shard.Set, error) {
	var set shard.Set
	for i := range o.Codec.Shards {
		if err := ctx.Err(); err != nil {
			set.Release()
			return shard.Set{}, err
		}
		r, err := shard.New(shard.Options{Name: shardName(i), Bytes: o.RingBytes})
		if err != nil {
			set.Release()
			return shard.Set{}, err
		}
		set.Rings = append(set.Rings, r)
	}
	if o.DeadLetterTopic == "" {
		return set, nil
	}
	dead, err := shard.New(shard.Options{Name: "dead-letter", Bytes: o.RingBytes})
	if err != nil {
		set.Release()
		return shard.Set{}, err
	}
	set.Dead = dead
	return set, nil
}

// registerRings registers what is about ring files. Without --ring-dir all of it
// stays 0.
func (n *node) registerRings(reg prometheus.Registerer) error {
	constant := func(v float64) func() float64 { return func() float64 { return v } }
	damaged := 0
	if n.dir != nil {
		damaged = len(n.dir.Damaged())
	}
	for _, m := range []struct {
		name, help string
		value      func() float64
	}{
		{"records_recovered_total", "Records that ring files held at the start.", constant(float64(n.recovered().Records))},
		{"ring_files_damaged_total", "Ring files that were damaged at the start and were set aside.", constant(float64(damaged))},
		{"ring_stall_seconds_total", "Time in which a batch's copy into a ring file took over a millisecond: a slow disk, or no processor.", n.stalled},
	} {
		if err := reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "ringtail_" + m.name, Help: m.help}, m.value)); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) stalled() float64 {
	ns := int64(0)
	for _, r := range n.rings.All() {
		ns += r.Stalled()
	}
	return float64(ns) / 1e9
}

// unlock lets another process have the ring files, unless goroutines that did not end
// may still write to them.
func (n *node) unlock() {
	if n.dir != nil && (n.drained || n.server.Load() == nil) {
		_ = n.dir.Close()
	}
}
