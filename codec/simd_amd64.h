// The body of simd. A file that includes this has defined SIMD, its name, and
// the macros that read the block at SI: each makes a mask of one bit a byte.
// Their temporaries are R14 and vector registers.
//
// The position of a bit is that of its byte in the block. All rules are about
// neighbours: "a colon is exactly where a key has just ended". What is due
// behind x is x<<1; what lies behind a run of bytes that begins at x is found by
// an addition, whose carry runs through it: (x + run) &^ run. Bits that leave the
// block at its top come in at the bottom of the next, by way of the carries on
// the stack. Every violation sets a bit of R8 at a byte of the record, or at its
// end, and these bits depend on bytes at and before them only; so a record that
// ends before the first is right, whatever follows. (Literals, and what follows a
// closing brace, are compared ahead: a mismatch is a violation at their beginning,
// or has nothing due behind.)
//
// Where white space stands between tokens, one more addition carries what is
// due across it.
//
// Where brackets open, or braces below the record's own, two more masks are made:
// of bytes in arrays, where a value is due behind a comma and not a key, and of
// bytes that are in nothing but the record, for only there are names looked for and
// does a brace end a record. What opens is where a value is due; what closes is
// behind a value, or an opening, and ends a value itself.
//
// Scalars where no value is due set no bit by themselves, nor do bytes that are
// part of no token: but nothing is due behind them, so that the next quote, colon,
// comma or closing brace is a violation. Behind the end of a record nothing is due
// but where a new line and an opening brace follow it at once.

// Carries.
#define KEYDUE      s-8(SP)
#define VALUEDUE    s-16(SP)
#define INKEY       s-24(SP)
#define INTEXT      s-32(SP)
#define INSCALAR    s-40(SP)
#define BEHINDMINUS s-48(SP)
#define ININTEGER   s-56(SP)
#define DIGITDUE    s-64(SP)
#define NODIGIT     s-72(SP)
#define INLITERAL   s-80(SP)
#define OPENED      s-88(SP)
#define KINDS       s-96(SP) // what is open, a bit each: 1 for an object, so 1 for the record alone

// TOP is all ones in a block where nothing nests, and the others are not set.
#define TOP         s-104(SP) // bytes in nothing but the record, without OPENING
#define OPENING     s-112(SP) // brackets, and braces but those of records
#define OBJECTS     s-120(SP) // of these the braces
#define CLOSING     s-128(SP) // the same at the other end
#define ARRAY       s-136(SP) // bytes in arrays, from behind the opening bracket on

#define SCRATCH       s-144(SP)
#define SCRATCH2      s-152(SP)

// The offsets of a kernel's fields, which TestKernelLayout compares.
#define K_SPACES 0
#define K_LAST   16
#define K_QUOTE  24
#define K_SECOND 40
#define K_HIGH   48
#define K_ENDS   56
#define K_KEYS   64
#define K_END    72
#define K_KEY    840
#define MOST     64

// SAME fills a constant of 64 bytes with one byte.
#define SAME(name, word) \
	DATA name<>+0(SB)/8, $word; \
	DATA name<>+8(SB)/8, $word; \
	DATA name<>+16(SB)/8, $word; \
	DATA name<>+24(SB)/8, $word; \
	DATA name<>+32(SB)/8, $word; \
	DATA name<>+40(SB)/8, $word; \
	DATA name<>+48(SB)/8, $word; \
	DATA name<>+56(SB)/8, $word; \
	GLOBL name<>(SB), RODATA|NOPTR, $64

SAME(simdLF, 0x0a0a0a0a0a0a0a0a)
SAME(simdSpace, 0x2020202020202020)
SAME(simdQuote, 0x2222222222222222)
SAME(simdComma, 0x2c2c2c2c2c2c2c2c)
SAME(simdMinus, 0x2d2d2d2d2d2d2d2d)
SAME(simdPoint, 0x2e2e2e2e2e2e2e2e)
SAME(simdZero, 0x3030303030303030)
SAME(simdColon, 0x3a3a3a3a3a3a3a3a)
SAME(simdOpening, 0x5b5b5b5b5b5b5b5b)
SAME(simdSlash, 0x5c5c5c5c5c5c5c5c)
SAME(simdClosing, 0x5d5d5d5d5d5d5d5d)
SAME(simdOpen, 0x7b7b7b7b7b7b7b7b)
SAME(simdClose, 0x7d7d7d7d7d7d7d7d)
SAME(simdBefore, 0x1a1a1a1a1a1a1a1a) // makes a colon of a space
SAME(simdOnes, 0xffffffffffffffff)

// Ranges end at 0x7f once these are added: digits then begin at 0x76, and the
// bytes of scalars, '-' to 'z', at 0x32.
SAME(simdDigitUp, 0x4646464646464646)
SAME(simdDigit, 0x7575757575757575)
SAME(simdScalarUp, 0x0505050505050505)
SAME(simdScalar, 0x3131313131313131)

// Literals by bits 3 and 4 of their first letter: the word, its mask, its
// length, a one for each letter but the first.
DATA simdLiteral<>+0(SB)/8, $0x00000065736c6166
DATA simdLiteral<>+8(SB)/8, $0x000000ffffffffff
DATA simdLiteral<>+16(SB)/8, $5
DATA simdLiteral<>+24(SB)/8, $0xf
DATA simdLiteral<>+32(SB)/8, $0x000000006c6c756e
DATA simdLiteral<>+40(SB)/8, $0x00000000ffffffff
DATA simdLiteral<>+48(SB)/8, $4
DATA simdLiteral<>+56(SB)/8, $0x7
DATA simdLiteral<>+64(SB)/8, $0x0000000065757274
DATA simdLiteral<>+72(SB)/8, $0x00000000ffffffff
DATA simdLiteral<>+80(SB)/8, $4
DATA simdLiteral<>+88(SB)/8, $0x7
DATA simdLiteral<>+96(SB)/8, $0x0000000000000001 // no byte under an empty mask
DATA simdLiteral<>+104(SB)/8, $0x0000000000000000
DATA simdLiteral<>+112(SB)/8, $0
DATA simdLiteral<>+120(SB)/8, $0
GLOBL simdLiteral<>(SB), RODATA|NOPTR, $128

// func SIMD(b, last *byte, k *kernel)
TEXT SIMD(SB), NOSPLIT, $152-24
	MOVQ b+0(FP), SI
	INCQ SI
	MOVQ k+16(FP), DI
	XORL AX, AX
	MOVQ $1, KEYDUE
	MOVQ AX, VALUEDUE
	MOVQ AX, INKEY
	MOVQ AX, INTEXT
	MOVQ AX, INSCALAR
	MOVQ AX, BEHINDMINUS
	MOVQ AX, ININTEGER
	MOVQ AX, DIGITDUE
	MOVQ AX, NODIGIT
	MOVQ AX, INLITERAL
	MOVQ AX, OPENED
	MOVQ $1, KINDS
	MOVQ AX, K_HIGH(DI)
	MOVQ AX, K_ENDS(DI)
	MOVQ AX, K_KEYS(DI)
	XORL R15, R15 // all ones while the block before ends inside a string
	CONSTANTS

block:
	CMPQ SI, last+8(FP)
	JA   stop
	LOAD

	// AX: quotes. BX: strings with their opening quote, by the parity of the
	// quotes up to there.
	QUOTES(AX)
	TESTQ AX, AX
	JZ    noquotes

quotes:
	VMOVQ      AX, X2
	VPCLMULQDQ $0, simdOnes<>(SB), X2, X2
	VMOVQ      X2, BX
	XORQ       R15, BX
	MOVQ       BX, R15
	SARQ       $63, R15

	// R8: violations; so far bytes that are not plain, in strings.
	UNUSUAL(R8)
	ANDQ BX, R8
	JNZ  unusual

usual:
	// AX: strings with both quotes. BX: opening quotes.
	MOVQ AX, DX
	ORQ  BX, AX
	ANDQ DX, BX

	// R11: closing braces. R13: those before a new line and an opening brace.
	BRACES(R11, R13, R12)
	ANDNQ R11, AX, R11
	ANDNQ R13, AX, R13

	// Does anything open but records, or is it open? Otherwise closing brackets are
	// letters of no literal.
	NESTING
	JNZ  nested
	CMPQ KINDS, $1
	JNE  nested
	MOVQ $-1, TOP

masked:
	// CX: commas. DX: where a key is due.
	COMMAS(CX)
	ANDNQ CX, AX, CX
	MOVQ  KEYDUE, DX
	LEAQ  (DX)(CX*2), DX
	LEAQ  (DX)(R13*8), DX
	MOVQ  CX, R9
	SHRQ  $63, R9
	SHRQ  $61, R13
	ORQ   R13, R9
	MOVQ  R9, KEYDUE

	// R9: colons. R10: where a value is due.
	COLONS(R9)
	ANDNQ R9, AX, R9
	MOVQ  VALUEDUE, R10
	LEAQ  (R10)(R9*2), R10
	MOVQ  R9, R13
	SHRQ  $63, R13
	MOVQ  R13, VALUEDUE

	// R12: white space.
	WHITE(R12)
	ANDNQ R12, AX, R12
	TESTQ R12, R12
	JNZ   dueBehindSpace

due:
	CMPQ TOP, $-1
	JNE  dueNested

strings:
	// An opening quote is where a key or a value is due.
	MOVQ  DX, R13
	ORQ   R10, R13
	ANDNQ BX, R13, R13
	ORQ   R13, R8

	// R13: opening quotes of keys. A colon is behind every key, and nowhere else.
	ANDQ    BX, DX
	MOVQ    DX, R13
	MOVBQZX INKEY, R14
	ADDQ    R14, DX
	ADDQ    AX, DX
	SETCS   INKEY
	ANDNQ   DX, AX, DX
	TESTQ   R12, R12
	JNZ     colonBehindSpace

colon:
	XORQ R9, DX
	ORQ  DX, R8

	// DX: keys that look like a name.
	NAMED(0, DX)
	CMPQ K_SECOND(DI), $0
	JNE  secondName

named:
	ANDQ R13, DX
	ANDQ TOP, DX

name:
	MOVQ  K_KEYS(DI), R13
	TZCNTQ DX, R14
	ADDQ  SI, R14
	SUBQ  b+0(FP), R14
	MOVQ  R14, K_KEY(DI)(R13*8)
	CMPQ  DX, $1
	SBBQ  $-1, R13 // one more unless DX is empty
	MOVQ  R13, K_KEYS(DI)
	BLSRQ DX, DX
	JNZ   name
	CMPQ  R13, $MOST
	JAE   stop

	// CX: commas and closing braces. R9: bytes of scalars.
	ORQ     R11, CX
	SCALARS(R13)
	ANDNQ   R13, R9, R9
	ANDNQ   R9, AX, R9

	// BX, DX: what is behind strings and scalars that are values. A comma, closing
	// brace or closing bracket is behind every value, and nowhere else.
	ANDQ    R10, BX
	MOVBQZX INTEXT, R13
	ADDQ    R13, BX
	ADDQ    AX, BX
	SETCS   INTEXT
	ANDNQ   BX, AX, BX
	CMPQ    TOP, $-1
	JNE     behindNested

scalars:
	MOVQ    R10, DX
	ANDQ    R9, DX
	MOVBQZX INSCALAR, R13
	ADDQ    R13, DX
	ADDQ    R9, DX
	SETCS   INSCALAR
	ANDNQ   DX, R9, DX
	ORQ     DX, BX
	TESTQ   R12, R12
	JNZ     commaBehindSpace

comma:
	XORQ CX, BX
	ORQ  BX, R8

	// DX: digits. A block full of them is left to others: an integer may be too long.
	DIGITS(DX)
	CMPQ DX, $-1
	JEQ  stop

	// CX: minus signs that begin a value. R13: where a value begins, its minus
	// sign apart.
	MINUSES(CX)
	ANDQ    R10, CX
	MOVBQZX BEHINDMINUS, R13
	ADDQ    R10, R13
	ADDQ    CX, R13
	SETCS   BEHINDMINUS

	// AX: points behind an integer.
	POINTS(AX)
	MOVQ    R13, BX
	ANDQ    DX, BX
	MOVBQZX ININTEGER, R14
	ADDQ    R14, BX
	ADDQ    DX, BX
	SETCS   ININTEGER
	ANDNQ   BX, DX, BX
	ANDQ    BX, AX

	// Behind either, a digit.
	ORQ   AX, CX
	MOVQ  DIGITDUE, R14
	LEAQ  (R14)(CX*2), BX
	ANDNQ BX, DX, BX
	ORQ   BX, R8
	MOVQ  CX, BX
	SHRQ  $63, BX
	MOVQ  BX, DIGITDUE

	// R12: what else scalars consist of.
	ANDNQ R9, CX, R12
	ANDNQ R12, DX, R12

	// Behind that, and behind a zero that begins an integer, no digit.
	ZEROS(BX)
	ANDQ BX, R13
	ORQ  R12, R13
	MOVQ NODIGIT, R14
	LEAQ (R14)(R13*2), BX
	ANDQ DX, BX
	ORQ  BX, R8
	SHRQ $63, R13
	MOVQ R13, NODIGIT

	// R12: the same without literals. R10: where they begin.
	ANDQ  R12, R10
	MOVQ  INLITERAL, R14
	ANDNQ R12, R14, R12
	MOVQ  $0, INLITERAL
	TESTQ R10, R10
	JZ    literals

literal:
	TZCNTQ  R10, R13
	BLSIQ   R10, CX
	MOVQ    (SI)(R13*1), BX
	MOVQ    BX, DX
	ANDQ    $0x18, DX // tells t, f and n apart
	LEAQ    simdLiteral<>(SB), R14
	LEAQ    (R14)(DX*4), R14
	ANDQ    8(R14), BX
	XORL    AX, AX
	CMPQ    BX, (R14)
	CMOVQNE AX, CX
	MOVQ    16(R14), DX
	SHLXQ   DX, CX, DX
	SUBQ    CX, DX // its bits, none where it is no literal
	ANDNQ   R12, DX, R12
	XORQ    $63, R13
	MOVQ    24(R14), DX
	SHRXQ   R13, DX, DX
	MOVQ    DX, INLITERAL
	BLSRQ   R10, R10
	JNZ     literal

literals:
	ORQ R12, R8

	// R11: the closing braces before the first violation; each ends a record.
	LEAQ  -1(R8), CX
	ANDNQ CX, R8, CX
	ANDQ  CX, R11

end:
	MOVQ   K_ENDS(DI), R13
	TZCNTQ R11, R14
	ADDQ   SI, R14
	SUBQ   b+0(FP), R14
	MOVQ   R14, K_END(DI)(R13*8)
	CMPQ   R11, $1
	SBBQ   $-1, R13 // one more unless R11 is empty
	MOVQ   R13, K_ENDS(DI)
	BLSRQ  R11, R11
	JNZ    end
	CMPQ   R13, $MOST
	JAE    stop
	ADDQ   $64, SI
	TESTQ  R8, R8
	JZ     block

stop:
	VZEROUPPER
	RET

	// A block inside a string: of the carries, those of the two kinds of strings
	// stay as they are, and the others are empty.
noquotes:
	TESTQ R15, R15
	JZ    quotes
	UNUSUAL(R8)
	TESTQ R8, R8
	JZ    inside
	MOVQ  R8, K_HIGH(DI)
	HIGH(R13)
	ANDNQ R8, R13, R8
	JNZ   stop

inside:
	ADDQ $64, SI
	JMP  block

	// Bytes beyond ASCII are noted; others are violations.
unusual:
	MOVQ  R8, K_HIGH(DI)
	HIGH(R13)
	ANDNQ R8, R13, R8
	JMP   usual

secondName:
	MOVQ R13, SCRATCH
	NAMED(1, R13)
	ORQ  R13, DX
	MOVQ SCRATCH, R13
	JMP  named

	// R12: what opens. The brace of a record is where R13 says, or KEYDUE.
nested:
	OPENINGS(R12)
	ANDNQ R12, AX, R12
	MOVQ  KEYDUE, R10
	SHRQ  $1, R10
	LEAQ  (R10)(R13*4), R10
	ANDNQ R12, R10, R12
	MOVQ  R12, OPENING
	CLOSINGS(DX)
	ANDNQ DX, AX, DX
	MOVQ  DX, CLOSING
	OBRACES(R9)
	ANDQ  R12, R9
	MOVQ  R9, OBJECTS
	JNZ   deeper
	MOVQ  KINDS, R10
	CMPQ  R10, $2
	JA    deeper

	// Arrays in the record itself: from the opening bracket to before the closing
	// one is the difference of the two, whose borrow runs through it. A bracket that
	// opens in an array clears its bit there, and one that closes nothing sets it.
	MOVQ DX, CX
	SHRQ $1, R10
	BTL  $0, R10
	SBBQ R12, CX
	MOVL $1, R14
	ADCQ $0, R14

	// All there is to brackets and braces in it is how it begins, or it is deeper.
	ORQ  R12, DX
	ORQ  R11, DX
	ANDQ CX, DX
	CMPQ DX, R12
	JNE  deeper
	MOVQ R14, KINDS
	LEAQ (R10)(CX*2), CX
	MOVQ CX, R14

	// CX: bytes in arrays. R14: bytes below the record.
below:
	MOVQ  CX, ARRAY
	NOTQ  R14
	ANDNQ R14, R12, R14
	MOVQ  R14, TOP
	MOVQ  OBJECTS, R9
	ANDNQ R12, R9, R12
	ADDQ  R9, R9
	ORQ   R9, KEYDUE
	ADDQ  R12, R12
	ORQ   R12, VALUEDUE
	JMP   masked

	// One after the other.
deeper:
	MOVQ BX, SCRATCH
	MOVQ R13, SCRATCH2

	// R9: braces. DX: all that opens or closes. R10: what is open.
	ORQ  R11, R9
	MOVQ CLOSING, DX
	ORQ  R11, DX
	ORQ  R12, DX
	MOVQ KINDS, R10

	// CX: bytes in arrays. R13: bytes below the record. So far all or none.
	MOVQ  R10, CX
	ANDL  $1, CX
	DECQ  CX
	XORL  R13, R13
	CMPQ  R10, $1
	SETNE R13
	NEGQ  R13
	TESTQ DX, DX
	JZ    counted

bracket:
	BLSIQ DX, R14
	TESTQ R12, R14
	JZ    closing
	MOVQ  R9, BX
	ANDQ  R14, BX
	NEGQ  BX // carries where it is a brace
	ADCQ  R10, R10
	JCS   mismatch // too deep

	// From behind it on.
kind:
	ADDQ  R14, R14
	NEGQ  R14
	MOVQ  R10, BX
	ANDL  $1, BX
	DECQ  BX
	ANDNQ CX, R14, CX
	ANDQ  R14, BX
	ORQ   BX, CX
	XORL  BX, BX
	CMPQ  R10, $1
	SETNE BX
	NEGQ  BX
	ANDNQ R13, R14, R13
	ANDQ  R14, BX
	ORQ   BX, R13

nextBracket:
	BLSRQ DX, DX
	JNZ   bracket

counted:
	MOVQ  R10, KINDS
	MOVQ  R13, R14
	MOVQ  SCRATCH2, R13
	MOVQ  SCRATCH, BX
	JMP   below

	// It is of the kind that is open. The record's own brace stays in R11.
closing:
	SHRQ  $1, R10
	SBBQ  BX, BX
	XORQ  R9, BX
	TESTQ R14, BX
	JNZ   mismatch
	TESTQ R10, R10
	JZ    recordEnd
	ANDNQ R11, R14, R11
	ORQ   R14, CLOSING
	JMP   kind

recordEnd:
	MOVL $1, R10
	JMP  nextBracket

mismatch:
	ORQ R14, R8
	JMP counted

	// DX is behind commas and opening braces, R10 behind colons and opening brackets.
dueNested:
	// R13: behind what opens, and some white space. What closes there needs no value
	// before it.
	MOVQ  OPENING, R14
	MOVQ  OPENED, R13
	LEAQ  (R13)(R14*2), R13
	SHRQ  $63, R14
	ADDQ  R12, R13
	ADCQ  $0, R14
	MOVQ  R14, OPENED
	ANDNQ CLOSING, R13, R14
	ORQ   R14, CX

	// The bits that leave the block.
	MOVQ OBJECTS, R13
	MOVQ OPENING, R14
	SHRQ $63, R13
	SHRQ $63, R14
	ORQ  R13, KEYDUE
	XORQ R13, R14
	ORQ  R14, VALUEDUE

	// In an array a value is due behind a comma.
	MOVQ  ARRAY, R14
	MOVQ  DX, R13
	ANDQ  R14, R13
	ORQ   R13, R10
	ANDNQ DX, R14, DX

	// What opens is a value.
	MOVQ  OPENING, R14
	ANDNQ R14, R10, R14
	ORQ   R14, R8
	JMP   strings

	// Brackets are no scalars. Behind what closes a comma or the next is due.
behindNested:
	MOVQ  OPENING, R13
	ANDNQ R9, R13, R9
	MOVQ  CLOSING, R13
	ANDNQ R9, R13, R9
	ADDQ  R13, R13
	ADCB  $0, INTEXT
	ORQ   R13, BX
	JMP   scalars

dueBehindSpace:
	ADDQ  R12, DX
	ADCQ  $0, KEYDUE
	ANDNQ DX, R12, DX
	ADDQ  R12, R10
	ADCQ  $0, VALUEDUE
	ANDNQ R10, R12, R10
	JMP   due

colonBehindSpace:
	ADDQ  R12, DX
	ADCB  $0, INKEY
	ANDNQ DX, R12, DX
	JMP   colon

commaBehindSpace:
	ADDQ  R12, BX
	ADCB  $0, INTEXT
	ANDNQ BX, R12, BX
	JMP   comma
