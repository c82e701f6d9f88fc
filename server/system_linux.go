package server

import "golang.org/x/sys/unix"

// watch tells of the sockets of paused connections what happens to them, each thing once: what is
// left in a socket does not come again, more of it does. It is the pauser's.
type watch struct {
	fd int // −1: not open
}

// socketEvent is what the kernel says of a socket.
type socketEvent = unix.EpollEvent

func openWatch() (watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return watch{fd}, err
}

func (w watch) close() { _ = unix.Close(w.fd) }

// add has the events of socket fd come with id.
func (w watch) add(fd int, id uint64) error {
	return unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &socketEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(id), Pad: int32(id >> 32),
	})
}

func (w watch) remove(fd int) { _ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// take returns what has happened, in room's memory. It does not wait.
func (w watch) take(room []socketEvent) []socketEvent {
	n, _ := unix.EpollWait(w.fd, room, 0) // it does not fail: there is nothing to interrupt
	return room[:max(n, 0)]
}

func (w watch) idOf(e *socketEvent) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// endOf tells what an event says of a socket's end: that it has failed, that both sides are closed,
// that the client will send nothing more.
func endOf(e *socketEvent) (failed, closed, ended bool) {
	return e.Events&unix.EPOLLERR != 0, e.Events&unix.EPOLLHUP != 0, e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0
}

// acceptSocket is accept(2), of a descriptor that no child inherits and no call waits for.
func acceptSocket(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

// dupOnto makes to a duplicate of fd. No child inherits it.
func dupOnto(fd, to int) error { return unix.Dup3(fd, to, unix.O_CLOEXEC) }

// unread returns how many bytes a socket holds.
func unread(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCINQ) }

// widen makes the kernel accept at least socketRoom bytes. The kernel counts a packet until its
// last byte is read, and adds the next ones to it, up to 17 pieces of 32 KiB. So the bytes that a
// peek leaves could close the window, and the rest of the record would never come. (SO_RCVBUF is
// the obvious way, but it ends the tuning of the buffer for the connection's life.)
func widen(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, socketRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
}
