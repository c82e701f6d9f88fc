package ack

// unsent is what most connections never have: lines that the client has not taken.
type unsent struct {
	out     []byte // a line begun, or more: goes out before anything else
	rejects rejectQueue
	charged bool // to --client-memory
}

func (d *Domain[C]) queueReject(a *Conn[C], r Reject) {
	d.needUnsent(a).rejects.push(r)
}

func (d *Domain[C]) needUnsent(a *Conn[C]) *unsent {
	if a.unsent == nil {
		if n := len(d.freeUnsent); n > 0 {
			a.unsent, d.freeUnsent = d.freeUnsent[n-1], d.freeUnsent[:n-1]
		} else {
			a.unsent = new(unsent)
		}
	}
	return a.unsent
}

func (d *Domain[C]) dropUnsent(a *Conn[C]) {
	u := a.unsent
	a.unsent = nil
	if u == nil {
		return
	}
	if u.charged {
		d.opt.LinesSaid()
	}
	if len(d.freeUnsent) < retainMax && cap(u.out) <= scratchBytes && cap(u.rejects.buf) <= rejectsMax {
		*u = unsent{out: u.out[:0], rejects: rejectQueue{buf: u.rejects.buf[:0]}}
		d.freeUnsent = append(d.freeUnsent, u)
	}
}
