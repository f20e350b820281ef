//go:build !amd64

package pixel

func vertical(line []int16, p *Plane, left int, rows *filter, y int) {
	verticalScalar(line, p, left, rows, y)
}

func horizontal(row []byte, line []int16, columns *filter) { horizontalScalar(row, line, columns, 0) }

func premultiply(row, alpha []byte) { premultiplyScalar(row, alpha) }
func split(r, g, b, a, pix []byte)  { splitScalar(r, g, b, a, pix) }
