package server

import "golang.org/x/sys/unix"

// reserveFile is what a descriptor in reserve is of. A container, or a chroot, that holds nothing but
// the binary has no /dev/null.
const reserveFile = "/"

// reserveDescriptor is one that an event loop opens in advance, for when no other can be had: a
// duplicate can always be made onto it. gnet closes the original at once, so a descriptor is free
// again soon.
type reserveDescriptor struct {
	fd   int   // −1: used up
	fail error // tests only: as if no other descriptor could be had
}

func (r *reserveDescriptor) open() {
	if r.fd < 0 && r.fail == nil {
		r.fd, _ = unix.Open(reserveFile, unix.O_RDONLY|unix.O_CLOEXEC, 0) // −1 if it fails
	}
}

func (r *reserveDescriptor) close() {
	_ = unix.Close(r.fd)
	r.fd = -1
}

// dup duplicates fd, onto the reserve if need be. It returns −1 and an error if that is used up.
func (r *reserveDescriptor) dup(fd int) (int, error) {
	r.open()
	dup, err := -1, r.fail
	if err == nil {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil && r.fd >= 0 && dupOnto(fd, r.fd) == nil {
		dup, err, r.fd = r.fd, nil, -1
	}
	return dup, err
}
