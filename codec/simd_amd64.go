package codec

import "golang.org/x/sys/cpu"

// vectors says which simd the machine has. AVX-512 only where the processor is
// of a generation that hardly lowers its clock for it.
var vectors = func() vectorSet {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasBMI1 || !x.HasBMI2 || !x.HasPCLMULQDQ:
		return noVectors
	case x.HasAVX512 && x.HasAVX512VBMI2:
		return avx512
	}
	return avx2
}()

// simd reads ordinary objects from b on, which begins with one, up to last and 128
// bytes beyond. See simd_amd64.h.
func simd(v vectorSet, b, last *byte, k *kernel) {
	if v == avx512 {
		simdAVX512(b, last, k)
	} else {
		simdAVX2(b, last, k)
	}
}

//go:noescape
func simdAVX2(b, last *byte, k *kernel)

//go:noescape
func simdAVX512(b, last *byte, k *kernel)
