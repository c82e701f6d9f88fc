// Package dist holds the tests of what `make dist` makes: what is in the archive and the packages,
// the static file serving where there is nothing else, and the deb's life in a bare Debian or Ubuntu.
// They build a release, make a root with debootstrap and change into it, so they are root's:
// `make dist-test`.
package dist
