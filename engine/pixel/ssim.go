package pixel

import "image"

// SSIM is the mean structural similarity of two pictures of one size, of their luma
// over white, in windows of 8×8 (Wang et al., 2004): 1 if they are the same. It is not
// a number for pictures of less than a window. Neither is changed.
func SSIM(a, b *image.NRGBA) float64 {
	const n, c1, c2 = 8, 6.5025, 58.5225
	w, h := a.Rect.Dx(), a.Rect.Dy()
	la, lb := lumaOverWhite(a), lumaOverWhite(b)
	total, windows := 0.0, 0.0
	for y := 0; y+n <= h; y += n / 2 {
		for x := 0; x+n <= w; x += n / 2 {
			var sa, sb, saa, sbb, sab float64
			for j := range n {
				at := (y+j)*w + x
				ra, rb := la[at:at+n], lb[at:at+n]
				for i, va := range ra {
					vb := rb[i]
					sa, sb, saa, sbb, sab = sa+va, sb+vb, saa+va*va, sbb+vb*vb, sab+va*vb
				}
			}
			const k = n * n
			ma, mb := sa/k, sb/k
			total += (2*ma*mb + c1) * (2*(sab/k-ma*mb) + c2) / ((ma*ma + mb*mb + c1) * (saa/k - ma*ma + sbb/k - mb*mb + c2))
			windows++
		}
	}
	return total / windows
}

func lumaOverWhite(m *image.NRGBA) []float64 {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	luma := make([]float64, 0, w*h)
	for y := range h {
		row := m.Pix[y*m.Stride:][:4*w]
		for ; len(row) >= 4; row = row[4:] {
			l := 0.299*float64(row[0]) + 0.587*float64(row[1]) + 0.114*float64(row[2])
			luma = append(luma, 255-(255-l)*float64(row[3])/255)
		}
	}
	return luma
}
