#include "textflag.h"

// simd with AVX-512: a block is Z0, temporaries are Z2 and K1 to K3.

#define SIMD ·simdAVX512

#define CONSTANTS \
	VMOVDQU64       simdQuote<>(SB), Z4; \
	VMOVDQU64       simdColon<>(SB), Z5; \
	VMOVDQU64       simdComma<>(SB), Z6; \
	VMOVDQU64       simdClose<>(SB), Z7; \
	VBROADCASTI32X4 K_SPACES(DI), Z8; \
	VMOVDQU64       simdDigitUp<>(SB), Z9; \
	VMOVDQU64       simdScalarUp<>(SB), Z10; \
	VMOVDQU64       simdLF<>(SB), Z11; \
	VMOVDQU64       simdOpen<>(SB), Z12; \
	VMOVDQU64       simdSpace<>(SB), Z13; \
	VMOVDQU64       simdSlash<>(SB), Z14; \
	VMOVDQU64       simdBefore<>(SB), Z16

#define LOAD VMOVDQU64 (SI), Z0

#define EQUAL(C, R) \
	VPCMPEQB C, Z0, K1; \
	KMOVQ    K1, R

#define QUOTES(R) EQUAL(Z4, R)
#define COLONS(R) EQUAL(Z5, R)
#define COMMAS(R) EQUAL(Z6, R)
#define OBRACES(R) EQUAL(Z12, R)

// A bracket is a brace but for one bit.
#define OPENINGS(R) \
	VPORQ    Z13, Z0, Z2; \
	VPCMPEQB Z12, Z2, K1; \
	KMOVQ    K1, R

#define CLOSINGS(R) EQUAL(simdClosing<>(SB), R)
#define MINUSES(R) EQUAL(simdMinus<>(SB), R)
#define POINTS(R) EQUAL(simdPoint<>(SB), R)
#define ZEROS(R) EQUAL(simdZero<>(SB), R)

#define RANGE(UP, LOW, R) \
	VPADDB   UP, Z0, Z2; \
	VPCMPGTB LOW, Z2, K1; \
	KMOVQ    K1, R

#define DIGITS(R) RANGE(Z9, simdDigit<>(SB), R)
#define SCALARS(R) RANGE(Z10, simdScalar<>(SB), R)

// Not zero where there is an opening bracket, or an opening brace behind a colon
// or space; some other bytes look like these.
#define NESTING \
	VPCMPEQB simdOpening<>(SB), Z0, K1; \
	VPCMPEQB Z12, Z0, K2; \
	VPORQ    -1(SI), Z16, Z2; \
	VPCMPEQB Z5, Z2, K2, K2; \
	KORTESTQ K1, K2

#define WHITE(R) \
	VPSHUFB  Z0, Z8, Z2; \
	VPCMPEQB Z0, Z2, K1; \
	KMOVQ    K1, R

#define UNUSUAL(R) \
	VPCMPGTB Z0, Z13, K1; \
	VPCMPEQB Z14, Z0, K2; \
	KORQ     K1, K2, K1; \
	KMOVQ    K1, R

#define HIGH(R) \
	VPMOVB2M Z0, K1; \
	KMOVQ    K1, R

#define BRACES(R, BEFORE, T) \
	VPCMPEQB Z7, Z0, K1; \
	VPCMPEQB 1(SI), Z11, K1, K2; \
	VPCMPEQB 2(SI), Z12, K2, K3; \
	KMOVQ    K1, R; \
	KMOVQ    K3, BEFORE

#define NAMED(I, R) \
	VPBROADCASTB K_LAST+I(DI), Z2; \
	MOVQ         K_QUOTE+8*I(DI), R14; \
	VPCMPEQB     -1(SI)(R14*1), Z2, K1; \
	VPCMPEQB     (SI)(R14*1), Z4, K1, K2; \
	KMOVQ        K2, R

#include "simd_amd64.h"
