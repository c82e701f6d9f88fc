//go:build !((linux || darwin) && (amd64 || arm64 || riscv64 || loong64 || ppc64le || mips64le))

package platform

// The build ends here, with one line that says why, and not with forty about missing calls.
var _ = ringtail_server_needs_64_bit_little_endian_Linux
