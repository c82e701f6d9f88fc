package node

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ringtail/ringtail/server"
)

// listening adds to an address that cannot be had who has it.
func listening(err error) error {
	var at *server.ListenError
	if errors.As(err, &at) && errors.Is(err, syscall.EADDRINUSE) {
		return inUse("--listen "+at.Listener.URL(), at.Listener.Network, at.Listener.Address)
	}
	return err
}

// inUse is the error for an address that somebody else has.
func inUse(flag, network, address string) error {
	inodes := listeners(network, address)
	if who := holder(inodes); who != "" {
		return fmt.Errorf("%s: address already in use by %s; stop that, or give another address", flag, who)
	} else if len(inodes) > 0 {
		return fmt.Errorf("%s: address already in use, by a process that this user may not see; stop that, or give another address", flag)
	}
	return fmt.Errorf("%s: address already in use, and nobody has it now: another flag names the same port, or who had it has ended", flag)
}

// holder names the process that has one of the sockets, "" if it cannot be found: the processes of
// other users are root's to look at.
func holder(inodes []string) string {
	if len(inodes) == 0 {
		return ""
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		descriptors, _ := filepath.Glob(process + "/fd/*")
		for _, fd := range descriptors {
			link, _ := os.Readlink(fd)
			inode, _ := strings.CutPrefix(link, "socket:[")
			if !slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(process))
			if pid == os.Getpid() {
				return "this process; two flags have the same address"
			}
			name, _ := os.ReadFile(process + "/comm")
			return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listeners are the inodes of the sockets that are in the way of one at that address.
func listeners(network, address string) (inodes []string) {
	if network == "unix" {
		// Num RefCount Protocol Flags Type St Inode Path
		return rows("/proc/net/unix", func(c []string) (string, bool) {
			return c[6], len(c) > 7 && c[7] == address && c[3] == "00010000"
		})
	}
	asked, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil
	}
	ip := asked.AddrPort().Addr().Unmap()
	const listen = "0A"
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		inodes = append(inodes, rows(file, func(c []string) (string, bool) {
			at, ok := kernelAddress(c[1])
			return c[9], ok && len(c) > 9 && c[3] == listen && int(at.Port()) == asked.Port &&
				(!ip.IsValid() || ip.IsUnspecified() || at.Addr().IsUnspecified() || at.Addr() == ip)
		})...)
	}
	return inodes
}

// rows are what pick takes of a table of the kernel's, its head apart.
func rows(file string, pick func([]string) (string, bool)) (picked []string) {
	const columnsMin = 7
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		columns := strings.Fields(lines.Text())
		if len(columns) < columnsMin || columns[0] == "sl" || columns[0] == "Num" {
			continue
		}
		if found, ok := pick(columns); ok {
			picked = append(picked, found)
		}
	}
	return picked
}

// kernelAddress reads 0100007F:1F90: words of four bytes, the least significant first.
func kernelAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}
