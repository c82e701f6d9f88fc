#include "textflag.h"

// simd with AVX2: a block is Y0 and Y1, temporaries are Y2, Y3 and Y15.

#define SIMD ·simdAVX2

#define CONSTANTS \
	VMOVDQU        simdQuote<>(SB), Y4; \
	VMOVDQU        simdColon<>(SB), Y5; \
	VMOVDQU        simdComma<>(SB), Y6; \
	VMOVDQU        simdClose<>(SB), Y7; \
	VBROADCASTI128 K_SPACES(DI), Y8; \
	VMOVDQU        simdDigitUp<>(SB), Y9; \
	VMOVDQU        simdScalarUp<>(SB), Y10; \
	VMOVDQU        simdLF<>(SB), Y11; \
	VMOVDQU        simdOpen<>(SB), Y12; \
	VMOVDQU        simdSpace<>(SB), Y13; \
	VMOVDQU        simdSlash<>(SB), Y14

#define LOAD \
	VMOVDQU (SI), Y0; \
	VMOVDQU 32(SI), Y1

#define JOIN(R) \
	SHLQ $32, R14; \
	ORQ  R14, R

#define BITS(R) \
	VPMOVMSKB Y2, R; \
	VPMOVMSKB Y3, R14; \
	JOIN(R)

#define EQUAL(C, R) \
	VPCMPEQB C, Y0, Y2; \
	VPCMPEQB C, Y1, Y3; \
	BITS(R)

#define QUOTES(R) EQUAL(Y4, R)
#define COLONS(R) EQUAL(Y5, R)
#define COMMAS(R) EQUAL(Y6, R)
#define OBRACES(R) EQUAL(Y12, R)

// A bracket is a brace but for one bit.
#define OPENINGS(R) \
	VPOR     Y13, Y0, Y2; \
	VPOR     Y13, Y1, Y3; \
	VPCMPEQB Y12, Y2, Y2; \
	VPCMPEQB Y12, Y3, Y3; \
	BITS(R)

#define CLOSINGS(R) EQUAL(simdClosing<>(SB), R)
#define MINUSES(R) EQUAL(simdMinus<>(SB), R)
#define POINTS(R) EQUAL(simdPoint<>(SB), R)
#define ZEROS(R) EQUAL(simdZero<>(SB), R)

#define RANGE(UP, LOW, R) \
	VPADDB   UP, Y0, Y2; \
	VPADDB   UP, Y1, Y3; \
	VPCMPGTB LOW, Y2, Y2; \
	VPCMPGTB LOW, Y3, Y3; \
	BITS(R)

#define DIGITS(R) RANGE(Y9, simdDigit<>(SB), R)
#define SCALARS(R) RANGE(Y10, simdScalar<>(SB), R)

// Not zero where there is an opening bracket, or an opening brace behind a colon
// or space; some other bytes look like these.
#define NESTING \
	VMOVDQU  simdBefore<>(SB), Y15; \
	VPOR     -1(SI), Y15, Y2; \
	VPCMPEQB Y5, Y2, Y2; \
	VPCMPEQB Y12, Y0, Y3; \
	VPAND    Y2, Y3, Y3; \
	VPOR     31(SI), Y15, Y2; \
	VPCMPEQB Y5, Y2, Y2; \
	VPCMPEQB Y12, Y1, Y15; \
	VPAND    Y15, Y2, Y2; \
	VPOR     Y2, Y3, Y3; \
	VPCMPEQB simdOpening<>(SB), Y0, Y2; \
	VPOR     Y2, Y3, Y3; \
	VPCMPEQB simdOpening<>(SB), Y1, Y2; \
	VPOR     Y2, Y3, Y3; \
	VPTEST   Y3, Y3

// A space's low four bits are 0, a tab's 9 and so on: the table has at each the
// only byte that is white space.
#define WHITE(R) \
	VPSHUFB  Y0, Y8, Y2; \
	VPSHUFB  Y1, Y8, Y3; \
	VPCMPEQB Y0, Y2, Y2; \
	VPCMPEQB Y1, Y3, Y3; \
	BITS(R)

// Below the space as signed numbers, so beyond ASCII too, or a backslash.
#define UNUSUAL(R) \
	VPCMPGTB  Y0, Y13, Y2; \
	VPCMPEQB  Y14, Y0, Y3; \
	VPOR      Y3, Y2, Y2; \
	VPMOVMSKB Y2, R; \
	VPCMPGTB  Y1, Y13, Y2; \
	VPCMPEQB  Y14, Y1, Y3; \
	VPOR      Y3, Y2, Y2; \
	VPMOVMSKB Y2, R14; \
	JOIN(R)

#define HIGH(R) \
	VPMOVMSKB Y0, R; \
	VPMOVMSKB Y1, R14; \
	JOIN(R)

#define BRACES(R, BEFORE, T) \
	VPCMPEQB  Y7, Y0, Y2; \
	VPMOVMSKB Y2, R; \
	VPCMPEQB  1(SI), Y11, Y3; \
	VPAND     Y3, Y2, Y2; \
	VPCMPEQB  2(SI), Y12, Y3; \
	VPAND     Y3, Y2, Y2; \
	VPMOVMSKB Y2, BEFORE; \
	VPCMPEQB  Y7, Y1, Y2; \
	VPMOVMSKB Y2, R14; \
	VPCMPEQB  33(SI), Y11, Y3; \
	VPAND     Y3, Y2, Y2; \
	VPCMPEQB  34(SI), Y12, Y3; \
	VPAND     Y3, Y2, Y2; \
	VPMOVMSKB Y2, T; \
	JOIN(R); \
	SHLQ      $32, T; \
	ORQ       T, BEFORE

#define NAMED(I, R) \
	VPBROADCASTB K_LAST+I(DI), Y15; \
	MOVQ         K_QUOTE+8*I(DI), R14; \
	VPCMPEQB     -1(SI)(R14*1), Y15, Y2; \
	VPCMPEQB     (SI)(R14*1), Y4, Y3; \
	VPAND        Y3, Y2, Y2; \
	VPMOVMSKB    Y2, R; \
	VPCMPEQB     31(SI)(R14*1), Y15, Y2; \
	VPCMPEQB     32(SI)(R14*1), Y4, Y3; \
	VPAND        Y3, Y2, Y2; \
	VPMOVMSKB    Y2, R14; \
	JOIN(R)

#include "simd_amd64.h"
