//go:build !amd64

package codec

var vectors = noVectors

func simd(vectorSet, *byte, *byte, *kernel) {}
