#include "textflag.h"

// flat with AVX2: a block is Y0 and Y1, temporaries are Y2, Y3 and Y15.

#define FLAT ·flatAVX2

#define CONSTANTS \
	VMOVDQU        flatQuote<>(SB), Y4; \
	VMOVDQU        flatColon<>(SB), Y5; \
	VMOVDQU        flatComma<>(SB), Y6; \
	VMOVDQU        flatClose<>(SB), Y7; \
	VBROADCASTI128 K_SPACES(DI), Y8; \
	VMOVDQU        flatDigitUp<>(SB), Y9; \
	VMOVDQU        flatScalarUp<>(SB), Y10; \
	VMOVDQU        flatLF<>(SB), Y11; \
	VMOVDQU        flatOpen<>(SB), Y12; \
	VMOVDQU        flatSpace<>(SB), Y13; \
	VMOVDQU        flatSlash<>(SB), Y14

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

#define CLOSINGS(R) EQUAL(flatClosing<>(SB), R)
#define MINUSES(R) EQUAL(flatMinus<>(SB), R)
#define POINTS(R) EQUAL(flatPoint<>(SB), R)
#define ZEROS(R) EQUAL(flatZero<>(SB), R)

#define RANGE(UP, LOW, R) \
	VPADDB   UP, Y0, Y2; \
	VPADDB   UP, Y1, Y3; \
	VPCMPGTB LOW, Y2, Y2; \
	VPCMPGTB LOW, Y3, Y3; \
	BITS(R)

#define DIGITS(R) RANGE(Y9, flatDigit<>(SB), R)
#define SCALARS(R) RANGE(Y10, flatScalar<>(SB), R)

// Not zero where there is an opening bracket, or an opening brace behind a colon
// or space; some other bytes look like these.
#define NESTING \
	VMOVDQU  flatBefore<>(SB), Y15; \
	VPOR     -1(SI), Y15, Y2; \
	VPCMPEQB Y5, Y2, Y2; \
	VPCMPEQB Y12, Y0, Y3; \
	VPAND    Y2, Y3, Y3; \
	VPOR     31(SI), Y15, Y2; \
	VPCMPEQB Y5, Y2, Y2; \
	VPCMPEQB Y12, Y1, Y15; \
	VPAND    Y15, Y2, Y2; \
	VPOR     Y2, Y3, Y3; \
	VPCMPEQB flatOpening<>(SB), Y0, Y2; \
	VPOR     Y2, Y3, Y3; \
	VPCMPEQB flatOpening<>(SB), Y1, Y2; \
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
