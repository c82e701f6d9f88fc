package shard

import (
	"testing"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// The ring against the baseline it has to beat: a Go channel of batches, each a
// copied byte slice. One op is one batch of 30 records of 220 bytes, pushed by
// as many producers as there are processors and taken by one consumer.
const (
	benchRecords = 30
	benchSize    = 220
)

func BenchmarkRing(b *testing.B) { benchRing(b, newRing(b, 16<<20)) }

// BenchmarkRingFile is BenchmarkRing with the ring in a file.
func BenchmarkRingFile(b *testing.B) { benchRing(b, newFileRing(b, 16<<20)) }

// BenchmarkWriteBatch is what one producer pays alone, without a consumer beside it.
func BenchmarkWriteBatch(b *testing.B) {
	for name, ringOf := range map[string]func(testing.TB, int) *Ring{"memory": newRing, "file": newFileRing} {
		b.Run(name, func(b *testing.B) {
			r := ringOf(b, 16<<20)
			rec := make([]byte, benchSize)
			b.ReportAllocs()
			b.SetBytes(benchRecords * benchSize)
			for b.Loop() {
				c, err := r.Claim(benchRecords, benchRecords*benchSize)
				if err != nil {
					b.Fatal(err)
				}
				for i := range benchRecords {
					c.Append(rec, nil, uint32(i))
				}
				c.Publish()
				batch, _ := r.Next()
				r.Free(batch.End)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRecords), "ns/record")
		})
	}
}

// BenchmarkChecksum is what a batch's checksum takes.
func BenchmarkChecksum(b *testing.B) {
	batch := make([]byte, recordsAt(benchRecords)+benchRecords*(RecordExtra+benchSize))
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		checksum(1, 64, batch[:recordsAt(benchRecords)])
		crc32c.Sum(batch[recordsAt(benchRecords):])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRecords), "ns/record")
}

func newFileRing(tb testing.TB, n int) *Ring {
	return openDir(tb, DirOptions{Path: ringDir(tb), Topic: "t", Shards: 1, Bytes: n}).Set().Rings[0]
}

func benchRing(b *testing.B, r *Ring) {
	rec := make([]byte, benchSize)
	b.ReportAllocs()
	b.SetBytes(benchRecords * benchSize)
	stop := make(chan struct{})
	wake := make(chan struct{}, 1)
	p := NewParker(func() { wake <- struct{}{} })
	r.Attach(p)
	go func() {
		defer close(stop)
		for !r.Drained() {
			if batch, ok := r.Next(); ok {
				r.Free(batch.End)
				continue
			}
			p.Park()
			if !r.Pending() && !r.Drained() {
				<-wake
			}
			p.Unpark()
			select {
			case <-wake:
			default:
			}
		}
	}()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := claimAtLast(r, benchRecords, benchRecords*benchSize)
			if err != nil {
				b.Error(err)
				return
			}
			for i := range benchRecords {
				c.Append(rec, nil, uint32(i))
			}
			c.Publish()
		}
	})
	r.Close()
	<-stop
}

func BenchmarkChannel(b *testing.B) {
	ch := make(chan []byte, 2048)
	rec := make([]byte, benchSize)
	b.ReportAllocs()
	b.SetBytes(benchRecords * benchSize)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range ch {
		}
	}()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			batch := make([]byte, 0, benchRecords*benchSize)
			for range benchRecords {
				batch = append(batch, rec...)
			}
			ch <- batch
		}
	})
	close(ch)
	<-stop
}

// BenchmarkPutRecord is what it takes to encode a record.
func BenchmarkPutRecord(b *testing.B) {
	rec, batch := make([]byte, benchSize), make([]byte, 1<<16)
	for b.Loop() {
		at := 0
		for i := range benchRecords {
			at = putRecord(batch, at, i, rec, nil, nil)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRecords), "ns/record")
}
