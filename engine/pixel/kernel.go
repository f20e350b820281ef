package pixel

// The two loops in which a resize spends its time. Each has a scalar form here,
// which says what is computed, and may have a faster one that gives the same bits.

// verticalScalar sums the source rows of result row y into line, whose first
// sample is column left of p. Samples keep midBits fractional bits; they lie well
// within 16 bits, since the absolute coefficients of a Lanczos filter sum to less
// than 1.6.
func verticalScalar(line []int16, p *Plane, left int, rows *filter, y int) {
	const shift = coefBits - midBits
	start, coef := rows.at(y)
	var sums [64]int32
	for x := 0; x < len(line); x += len(sums) {
		part := line[x:min(x+len(sums), len(line))]
		for i := range part {
			sums[i] = 1 << (shift - 1)
		}
		for k, c := range coef[:rows.length[y]] {
			row := p.Pix[(int(start)+k)*p.Stride+left+x:][:len(part)]
			for i, v := range row {
				sums[i] += int32(v) * int32(c)
			}
		}
		for i := range part {
			part[i] = int16(sums[i] >> shift)
		}
	}
}

// horizontalScalar filters line into row from result sample first on. The starts
// of columns count from the beginning of line.
func horizontalScalar(row []byte, line []int16, columns *filter, first int) {
	const shift = coefBits + midBits
	for x := first; x < len(row); x++ {
		start, coef := columns.at(x)
		samples := line[start:][:len(coef)]
		sum := int32(1) << (shift - 1)
		for k, c := range coef {
			sum += int32(samples[k]) * int32(c)
		}
		row[x] = clamp(sum >> shift)
	}
}

// premultiplyScalar multiplies row by alpha, of the same length.
func premultiplyScalar(row, alpha []byte) {
	row = row[:len(alpha)]
	for x, a := range alpha {
		if a != 255 {
			row[x] = times(row[x], a)
		}
	}
}

// splitScalar takes interleaved pixels apart, as many as r has room for.
func splitScalar(r, g, b, a, pix []byte) {
	for x := range r {
		p := pix[4*x:][:4]
		r[x], g[x], b[x], a[x] = p[0], p[1], p[2], p[3]
	}
}
