package node

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/producer"
)

// sink is where the rings' records go: Kafka, or nowhere.
type sink interface {
	check(ctx context.Context) error // an error that is producer.ErrTopic will not go away by itself
	cluster(ctx context.Context) (id string, err error)
	native() bool              // engines are Go's; known after check
	choice() string            // who writes to Kafka, and why; "": nobody
	start(ctx context.Context) // returns when records can be written, or ctx has ended
	drain(ctx context.Context)
	kept() producer.Kept // after drain
	close()
	stats() producer.Stats
	insight() producer.Insight
	ready() (bool, string)
	alive() bool                      // whether the engines have been there since the last call
	limits() (record, deadLetter int) // most bytes; deadLetter 0: no dead letters
}

func (n *node) newSink(reg prometheus.Registerer) (sink, error) {
	if n.opt.Sink == SinkDiscard {
		d, err := producer.NewDiscarder(n.rings, n.acksMoved, reg)
		return &discardSink{d: d, max: n.opt.Codec.MaxRecordBytes}, err
	}
	w, err := producer.Open(producer.Options{
		Brokers:         n.brokers,
		Topic:           n.opt.Topic,
		DeadLetterTopic: n.opt.DeadLetterTopic,
		Producers:       n.opt.Producers,
		Writer:          n.opt.Writer,
		Fold:            n.opt.FoldPartitions,
		KeyField:        n.opt.Codec.KeyField,
		MaxRecordBytes:  n.opt.Codec.MaxRecordBytes,
		Properties:      n.opt.Properties,
		Unsafe:          n.opt.Unsafe,
		OnProgress:      n.acksMoved,
		OnRefused:       n.refused,
		OnLimit:         n.setLimits,
		RemoteOf:        n.remoteOf,
		Die:             n.die,
		Logger:          n.env.Log,
		Registerer:      reg,
	}, n.rings)
	if err != nil {
		return nil, err
	}
	return &kafkaSink{w: w, deadLetters: n.opt.DeadLetterTopic != ""}, nil
}

func (n *node) acksMoved() {
	if s := n.server.Load(); s != nil {
		s.AcksMoved()
	}
}

func (n *node) refused(conn, ordinal uint64) {
	if s := n.server.Load(); s != nil {
		s.Refused(conn, ordinal, codec.RefusedByKafka)
	}
}

func (n *node) setLimits(record, deadLetter int) {
	s := n.server.Load()
	if s == nil {
		return
	}
	s.SetMaxRecordBytes(record)
	if deadLetter > 0 {
		s.SetMaxDeadLetterBytes(deadLetter)
	}
}

// remoteOf is asked for connection 0 about records of a former process.
func (n *node) remoteOf(conn uint64) string {
	if conn == 0 {
		return ""
	}
	if s := n.server.Load(); s != nil {
		return s.RemoteOf(conn)
	}
	return ""
}

type kafkaSink struct {
	w           *producer.Writer
	deadLetters bool
}

func (k *kafkaSink) check(ctx context.Context) error { return k.w.Check(ctx) }
func (k *kafkaSink) native() bool                    { return k.w.Native() }
func (k *kafkaSink) choice() string                  { name, why := k.w.Choice(); return name + ": " + why }
func (k *kafkaSink) start(ctx context.Context)       { k.w.Start(); k.w.Await(ctx) }
func (k *kafkaSink) drain(ctx context.Context)       { k.w.Drain(ctx) }
func (k *kafkaSink) kept() producer.Kept             { return k.w.MarkStop() }
func (k *kafkaSink) close()                          { k.w.Close() }
func (k *kafkaSink) stats() producer.Stats           { return k.w.Stats() }
func (k *kafkaSink) insight() producer.Insight       { return k.w.Insight() }
func (k *kafkaSink) ready() (bool, string)           { return k.w.Ready() }

func (k *kafkaSink) alive() bool { return k.w.Alive() }

func (k *kafkaSink) cluster(ctx context.Context) (string, error) { return k.w.ClusterID(ctx) }

func (k *kafkaSink) limits() (record, deadLetter int) {
	if k.deadLetters {
		deadLetter = k.w.DeadLetterLimit()
	}
	return k.w.RecordLimit(), deadLetter
}

// discardSink never waits for anybody, so there is nothing to check and a drain
// ends at once.
type discardSink struct {
	d   *producer.Discarder
	max int
}

func (d *discardSink) check(context.Context) error      { return nil }
func (d *discardSink) native() bool                     { return false }
func (d *discardSink) choice() string                   { return "" }
func (d *discardSink) start(context.Context)            { d.d.Start() }
func (d *discardSink) drain(context.Context)            { d.d.Drain() }
func (d *discardSink) kept() producer.Kept              { return producer.Kept{} }
func (d *discardSink) close()                           {}
func (d *discardSink) stats() producer.Stats            { return d.d.Stats() }
func (d *discardSink) insight() producer.Insight        { return d.d.Insight() }
func (d *discardSink) ready() (bool, string)            { return true, "" }
func (d *discardSink) alive() bool                      { return true }
func (d *discardSink) limits() (record, deadLetter int) { return d.max, 0 }

// discardCluster takes the place of a Kafka cluster's id, none of which has brackets:
// records for Kafka are not thrown away by mistake.
const discardCluster = "(discard)"

func (d *discardSink) cluster(context.Context) (string, error) { return discardCluster, nil }
