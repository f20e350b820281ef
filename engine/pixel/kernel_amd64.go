package pixel

import "golang.org/x/sys/cpu"

// hasAVX2 chooses the kernels once; tests turn it off.
var hasAVX2 = cpu.X86.HasAVX2

//go:noescape
func verticalAVX2(line *int16, pix *byte, stride int, coef *int16, taps, width int)

//go:noescape
func horizontalAVX2(row *byte, line *int16, starts *int32, coef *int16, taps, width int)

// vertical is verticalScalar, bit for bit.
func vertical(line []int16, p *Plane, left int, rows *filter, y int) {
	if !hasAVX2 || len(line) < 16 {
		verticalScalar(line, p, left, rows, y)
		return
	}
	start, coef := rows.at(y)
	taps := rows.length[y]
	at := int(start)*p.Stride + left
	_ = p.Pix[at+(int(taps)-1)*p.Stride+len(line)-1] // the last sample that is read
	verticalAVX2(&line[0], &p.Pix[at], p.Stride, &coef[0], int(taps), len(line))
}

// horizontal is horizontalScalar, bit for bit.
func horizontal(row []byte, line []int16, columns *filter) {
	quads := 0
	if hasAVX2 {
		quads = len(row) &^ 3
	}
	if quads > 0 {
		horizontalAVX2(&row[0], &line[0], &columns.start[0], &columns.coef[0], columns.taps, quads)
	}
	horizontalScalar(row, line, columns, quads)
}

//go:noescape
func premultiplyAVX2(row, alpha *byte, n int)

//go:noescape
func splitAVX2(red, green, blue, alpha, pix *byte, n int)

// premultiply is premultiplyScalar, bit for bit.
func premultiply(row, alpha []byte) {
	n := 0
	if hasAVX2 {
		n = min(len(row), len(alpha)) &^ 15
	}
	if n > 0 {
		premultiplyAVX2(&row[0], &alpha[0], n)
	}
	premultiplyScalar(row[n:], alpha[n:])
}

// split is splitScalar, bit for bit.
func split(r, g, b, a, pix []byte) {
	n := 0
	if hasAVX2 {
		n = min(len(r), len(g), len(b), len(a), len(pix)/4) &^ 7
	}
	if n > 0 {
		splitAVX2(&r[0], &g[0], &b[0], &a[0], &pix[0], n)
	}
	splitScalar(r[n:], g[n:], b[n:], a[n:], pix[4*n:])
}
