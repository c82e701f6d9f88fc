package server

import "golang.org/x/sys/unix"

// reserveDescriptor is one that an event loop keeps for when there is no other: a duplicate can
// always be made onto it. gnet closes the original at once, so there is one again soon.
type reserveDescriptor struct {
	fd     int
	opened bool
	fail   error // tests only: as if there were no other descriptor
}

func (r *reserveDescriptor) open() {
	if r.opened || r.fail != nil {
		return
	}
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	r.fd, r.opened = fd, err == nil
}

func (r *reserveDescriptor) close() {
	if r.opened {
		_ = unix.Close(r.fd)
		r.opened = false
	}
}

// dup duplicates fd, onto the reserve if need be. It returns −1 and an error if that is used up.
func (r *reserveDescriptor) dup(fd int) (int, error) {
	r.open()
	dup, err := -1, r.fail
	if err == nil {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err == nil || !r.opened {
		return dup, err
	}
	if err := unix.Dup3(fd, r.fd, unix.O_CLOEXEC); err != nil {
		return -1, err
	}
	r.opened = false
	return r.fd, nil
}
