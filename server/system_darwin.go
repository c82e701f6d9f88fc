package server

import "golang.org/x/sys/unix"

// watch is what system_linux.go says, by a kqueue.
type watch struct {
	fd  int            // −1: not open
	ids map[int]uint64 // by socket: what the kernel keeps for us is a pointer, which an id is not
}

// socketEvent is what the kernel says of a socket.
type socketEvent = unix.Kevent_t

func openWatch() (watch, error) {
	fd, err := unix.Kqueue()
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return watch{fd, map[int]uint64{}}, err
}

func (w watch) close() { _ = unix.Close(w.fd) }

// add has the events of socket fd come with id.
func (w watch) add(fd int, id uint64) error {
	w.ids[fd] = id
	return w.change(fd, unix.EV_ADD|unix.EV_CLEAR)
}

func (w watch) remove(fd int) {
	delete(w.ids, fd)
	_ = w.change(fd, unix.EV_DELETE)
}

func (w watch) change(fd, how int) error {
	var e socketEvent
	unix.SetKevent(&e, fd, unix.EVFILT_READ, how)
	_, err := unix.Kevent(w.fd, []socketEvent{e}, nil, nil)
	return err
}

// take returns what has happened, in room's memory. It does not wait.
func (w watch) take(room []socketEvent) []socketEvent {
	n, _ := unix.Kevent(w.fd, nil, room, new(unix.Timespec))
	return room[:max(n, 0)]
}

func (w watch) idOf(e *socketEvent) uint64 { return w.ids[int(e.Ident)] }

// endOf tells what an event says of a socket's end, as on Linux. A reset is always a failure here.
func endOf(e *socketEvent) (failed, closed, ended bool) {
	ended = e.Flags&unix.EV_EOF != 0
	return ended && e.Fflags != 0, false, ended
}

// acceptSocket is accept(2), of a descriptor that no child inherits and no call waits for.
func acceptSocket(fd int) (int, unix.Sockaddr, error) {
	n, from, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(n)
	if err := unix.SetNonblock(n, true); err != nil {
		_ = unix.Close(n)
		return -1, nil, err
	}
	return n, from, nil
}

// dupOnto makes to a duplicate of fd. No child inherits it.
func dupOnto(fd, to int) error {
	err := unix.Dup2(fd, to)
	if err == nil {
		unix.CloseOnExec(to)
	}
	return err
}

// unread returns how many bytes a socket holds.
func unread(fd int) (int, error) {
	const fionread = 0x4004667f // sys/filio.h
	return unix.IoctlGetInt(fd, fionread)
}

// widen makes the kernel accept at least socketRoom bytes: it gives a unix socket 8 KiB.
func widen(fd int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketRoom) }
