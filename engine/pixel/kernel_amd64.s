#include "textflag.h"

// func verticalAVX2(line *int16, pix *byte, stride int, coef *int16, taps int, width int)
//
// Columns are done sixteen at a time; the last sixteen may overlap those before
// them, so width must be at least 16. coef has an even length, padded with 0.
TEXT ·verticalAVX2(SB), NOSPLIT, $0-48
	MOVQ line+0(FP), DI
	MOVQ pix+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ coef+24(FP), R9
	MOVQ taps+32(FP), R10
	MOVQ width+40(FP), CX
	MOVL $0x80, AX            // half of 1<<8, what the sums are divided by
	MOVQ AX, X15
	VPBROADCASTD X15, Y15
	VPXOR Y14, Y14, Y14
	XORQ DX, DX               // column

column:
	LEAQ (SI)(DX*1), R11      // sample of the first row
	MOVQ R9, R12
	MOVQ R10, R13
	VMOVDQU Y15, Y0
	VMOVDQU Y15, Y1
	CMPQ R13, $2
	JLT single

pair:
	VPMOVZXBW (R11), Y2
	VPMOVZXBW (R11)(R8*1), Y3
	VPBROADCASTD (R12), Y4
	VPUNPCKLWD Y3, Y2, Y5
	VPUNPCKHWD Y3, Y2, Y6
	VPMADDWD Y4, Y5, Y5
	VPMADDWD Y4, Y6, Y6
	VPADDD Y5, Y0, Y0
	VPADDD Y6, Y1, Y1
	LEAQ (R11)(R8*2), R11
	ADDQ $4, R12
	SUBQ $2, R13
	CMPQ R13, $2
	JGE pair

single:
	TESTQ R13, R13
	JEQ store
	VPMOVZXBW (R11), Y2
	VPBROADCASTD (R12), Y4
	VPUNPCKLWD Y14, Y2, Y5
	VPUNPCKHWD Y14, Y2, Y6
	VPMADDWD Y4, Y5, Y5
	VPMADDWD Y4, Y6, Y6
	VPADDD Y5, Y0, Y0
	VPADDD Y6, Y1, Y1

store:
	VPSRAD $8, Y0, Y0
	VPSRAD $8, Y1, Y1
	VPACKSSDW Y1, Y0, Y0
	VMOVDQU Y0, (DI)(DX*2)
	ADDQ $16, DX
	CMPQ DX, CX
	JGE done
	LEAQ -16(CX), AX
	CMPQ DX, AX
	CMOVQGT AX, DX
	JMP column

done:
	VZEROUPPER
	RET

// func horizontalAVX2(row *byte, line *int16, starts *int32, coef *int16, taps int, width int)
//
// Four results at a time; width must be a multiple of 4 and taps, the length of
// each result's coefficients, a multiple of 8.
TEXT ·horizontalAVX2(SB), NOSPLIT, $0-48
	MOVQ row+0(FP), DI
	MOVQ line+8(FP), SI
	MOVQ starts+16(FP), R8
	MOVQ coef+24(FP), R9
	MOVQ taps+32(FP), R10
	MOVQ width+40(FP), CX
	MOVL $0x80000, AX         // half of 1<<20
	MOVQ AX, X15
	VPBROADCASTD X15, X15

four:
	MOVLQSX (R8), AX
	MOVLQSX 4(R8), BX
	MOVLQSX 8(R8), DX
	MOVLQSX 12(R8), R11
	LEAQ (SI)(AX*2), AX       // samples of each result
	LEAQ (SI)(BX*2), BX
	LEAQ (SI)(DX*2), DX
	LEAQ (SI)(R11*2), R11
	LEAQ (R9)(R10*2), R12     // coefficients of the second and third
	LEAQ (R12)(R10*2), R13
	LEAQ (R13)(R10*2), R15    // and of the fourth
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	MOVQ R10, R14

sixteen:
	CMPQ R14, $16
	JLT eight
	VMOVDQU (AX), Y4
	VMOVDQU (BX), Y5
	VMOVDQU (DX), Y6
	VMOVDQU (R11), Y7
	VPMADDWD (R9), Y4, Y4
	VPMADDWD (R12), Y5, Y5
	VPMADDWD (R13), Y6, Y6
	VPMADDWD (R15), Y7, Y7
	VPADDD Y4, Y0, Y0
	VPADDD Y5, Y1, Y1
	VPADDD Y6, Y2, Y2
	VPADDD Y7, Y3, Y3
	ADDQ $32, AX
	ADDQ $32, BX
	ADDQ $32, DX
	ADDQ $32, R11
	ADDQ $32, R9
	ADDQ $32, R12
	ADDQ $32, R13
	ADDQ $32, R15
	SUBQ $16, R14
	JMP sixteen

eight:
	TESTQ R14, R14
	JEQ sum
	VMOVDQU (AX), X4
	VMOVDQU (BX), X5
	VMOVDQU (DX), X6
	VMOVDQU (R11), X7
	VPMADDWD (R9), X4, X4     // clears the upper half
	VPMADDWD (R12), X5, X5
	VPMADDWD (R13), X6, X6
	VPMADDWD (R15), X7, X7
	VPADDD Y4, Y0, Y0
	VPADDD Y5, Y1, Y1
	VPADDD Y6, Y2, Y2
	VPADDD Y7, Y3, Y3
	ADDQ $16, R15

sum:
	MOVQ R15, R9              // the next result's coefficients follow the fourth's
	VPHADDD Y1, Y0, Y0
	VPHADDD Y3, Y2, Y2
	VPHADDD Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD X1, X0, X0
	VPADDD X15, X0, X0
	VPSRAD $20, X0, X0
	VPACKSSDW X0, X0, X0
	VPACKUSWB X0, X0, X0
	VMOVD X0, (DI)
	ADDQ $4, DI
	ADDQ $16, R8
	SUBQ $4, CX
	JGT four
	VZEROUPPER
	RET

// func premultiplyAVX2(row *byte, alpha *byte, n int)
//
// Sixteen samples at a time; n must be a positive multiple of 16.
TEXT ·premultiplyAVX2(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ alpha+8(FP), SI
	MOVQ n+16(FP), CX
	MOVL $0x00800080, AX      // half of 255, in words
	MOVQ AX, X15
	VPBROADCASTD X15, Y15

samples:
	VPMOVZXBW (DI), Y0
	VPMOVZXBW (SI), Y1
	VPMULLW Y1, Y0, Y0
	VPADDW Y15, Y0, Y0
	VPSRLW $8, Y0, Y1
	VPADDW Y1, Y0, Y0
	VPSRLW $8, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSWB X1, X0, X0
	VMOVDQU X0, (DI)
	ADDQ $16, DI
	ADDQ $16, SI
	SUBQ $16, CX
	JGT samples
	VZEROUPPER
	RET

DATA apart<>+0(SB)/8, $0x0d0905010c080400
DATA apart<>+8(SB)/8, $0x0f0b07030e0a0602
GLOBL apart<>(SB), RODATA|NOPTR, $16
DATA gather<>+0(SB)/8, $0x0000000400000000
DATA gather<>+8(SB)/8, $0x0000000500000001
DATA gather<>+16(SB)/8, $0x0000000600000002
DATA gather<>+24(SB)/8, $0x0000000700000003
GLOBL gather<>(SB), RODATA|NOPTR, $32

// func splitAVX2(red, green, blue, alpha, pix *byte, n int)
//
// Eight pixels at a time; n must be a positive multiple of 8.
TEXT ·splitAVX2(SB), NOSPLIT, $0-48
	MOVQ red+0(FP), R8
	MOVQ green+8(FP), R9
	MOVQ blue+16(FP), R10
	MOVQ alpha+24(FP), R11
	MOVQ pix+32(FP), SI
	MOVQ n+40(FP), CX
	VBROADCASTI128 apart<>(SB), Y14
	VMOVDQU gather<>(SB), Y15

pixels:
	VMOVDQU (SI), Y0
	VPSHUFB Y14, Y0, Y0       // four of each channel in each half
	VPERMD Y0, Y15, Y0        // eight of each channel
	VEXTRACTI128 $1, Y0, X1
	VMOVQ X0, (R8)
	VPEXTRQ $1, X0, (R9)
	VMOVQ X1, (R10)
	VPEXTRQ $1, X1, (R11)
	ADDQ $32, SI
	ADDQ $8, R8
	ADDQ $8, R9
	ADDQ $8, R10
	ADDQ $8, R11
	SUBQ $8, CX
	JGT pixels
	VZEROUPPER
	RET
