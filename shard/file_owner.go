package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Whoever may write to the directory could put a link there under the name of a file that we are
// about to make, and have us write over what they may not write themselves. So no link is
// followed, and a directory that others may write to is refused. The path to the directory may
// contain links: systemd's StateDirectory is one.

var (
	errLink  = errors.New("is a symbolic link, which is not followed; put the file itself there")
	errOther = errors.New("is no regular file")
)

// openRegular opens a regular file by its name. Errors: errLink, errOther; *os.PathError.
func openRegular(path string, flag int) (*os.File, error) {
	// Without O_NONBLOCK the opening of a pipe would wait for its other end.
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, errLink
	} else if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errOther
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ownedDir refuses a directory to whose entries others may do what they like.
func ownedDir(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return owned(info, info.Sys().(*syscall.Stat_t).Uid, uint32(os.Geteuid()))
}

// owned tells what is wrong with a directory of user owner's for a process of user self's.
func owned(info fs.FileInfo, owner, self uint32) error {
	const or = "or give a directory below it, which will be made"
	switch {
	case !info.IsDir():
		return unix.ENOTDIR
	case owner != self && owner != 0 && self != 0:
		return fmt.Errorf("belongs to user %d, and this process runs as user %d; chown %d it, %s", owner, self, self, or)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("has mode %#o: others may write to it, and put their files in the place of rings; chmod 700 it, %s",
			info.Mode().Perm(), or)
	}
	return nil
}
