package shard

// Set is all rings of a server: one a shard, and the dead-letter ring where
// there is one.
type Set struct {
	Rings []*Ring // by shard
	Dead  *Ring   // nil without --dead-letter-topic
}

// All returns every ring, the dead letters' last.
func (s *Set) All() []*Ring {
	if s.Dead == nil {
		return s.Rings
	}
	return append(s.Rings[:len(s.Rings):len(s.Rings)], s.Dead)
}

// Release gives all memory back. Nobody may use the rings, or bytes got from them, afterwards.
func (s *Set) Release() {
	for _, r := range s.All() {
		_ = r.Release()
	}
}
