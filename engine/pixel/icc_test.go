package pixel

import (
	"encoding/binary"
	"math"
	"testing"
)

// The colorants of Display P3 and of sRGB in XYZ under D50, by columns R, G, B (ICC
// registry), and a curve that is a power of 2.2.
var (
	p3ToXYZ   = [3][3]float64{{0.51512, 0.29198, 0.15710}, {0.24120, 0.69225, 0.06657}, {-0.00105, 0.04189, 0.78407}}
	srgbToXYZ = [3][3]float64{{0.43607, 0.38515, 0.14307}, {0.22249, 0.71687, 0.06061}, {0.01392, 0.09708, 0.71410}}
)

const gamma = 563.0 / 256

// p3Profile is a matrix profile as monitors have them (ICC.1, 8.3).
func p3Profile() []byte {
	fixed := func(v float64) uint32 { return uint32(int32(math.Round(v * 65536))) }
	xyz := func(x, y, z float64) []byte {
		b := append([]byte("XYZ "), 0, 0, 0, 0)
		for _, v := range []float64{x, y, z} {
			b = binary.BigEndian.AppendUint32(b, fixed(v))
		}
		return b
	}
	curve := append([]byte("curv"), 0, 0, 0, 0, 0, 0, 0, 1, 563>>8, 563&0xff, 0, 0)
	tags := []struct {
		name string
		body []byte
	}{{"wtpt", xyz(0.9642, 1, 0.8249)}, {"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve}}
	for i, name := range []string{"rXYZ", "gXYZ", "bXYZ"} {
		tags = append(tags, struct {
			name string
			body []byte
		}{name, xyz(p3ToXYZ[0][i], p3ToXYZ[1][i], p3ToXYZ[2][i])})
	}
	header := make([]byte, 128)
	copy(header[8:], []byte{2, 0x40})
	copy(header[12:], "mntrRGB XYZ ")
	copy(header[36:], "acsp")
	binary.BigEndian.PutUint32(header[68:], fixed(0.9642))
	binary.BigEndian.PutUint32(header[72:], fixed(1))
	binary.BigEndian.PutUint32(header[76:], fixed(0.8249))
	table := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	at := 128 + 4 + 12*len(tags)
	for _, tag := range tags {
		table = append(table, tag.name...)
		table = binary.BigEndian.AppendUint32(table, uint32(at+len(data)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(tag.body)))
		data = append(data, tag.body...)
	}
	profile := append(append(header, table...), data...)
	binary.BigEndian.PutUint32(profile, uint32(len(profile)))
	return profile
}

// inverse of a 3 × 3 matrix.
func inverse(m [3][3]float64) (r [3][3]float64) {
	det := 0.0
	for i := range 3 {
		det += m[0][i] * (m[1][(i+1)%3]*m[2][(i+2)%3] - m[1][(i+2)%3]*m[2][(i+1)%3])
	}
	for i := range 3 {
		for j := range 3 {
			r[j][i] = (m[(i+1)%3][(j+1)%3]*m[(i+2)%3][(j+2)%3] - m[(i+1)%3][(j+2)%3]*m[(i+2)%3][(j+1)%3]) / det
		}
	}
	return r
}

func times3(m [3][3]float64, v [3]float64) (r [3]float64) {
	for i := range 3 {
		r[i] = m[i][0]*v[0] + m[i][1]*v[1] + m[i][2]*v[2]
	}
	return r
}

// Colours of another space arrive as the sRGB that looks the same, against the
// arithmetic of the standards. Those outside of sRGB are cut.
func TestToSRGB(t *testing.T) {
	back := inverse(srgbToXYZ)
	worst, sum, n := 0.0, 0.0, 0
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				img := New(RGB, 1, 1)
				var linear [3]float64
				for i, v := range []int{r, g, b} {
					img.Planes[i].Pix[0] = byte(v)
					linear[i] = math.Pow(float64(v)/255, gamma)
				}
				got := img.ToSRGB(p3Profile())
				for i, v := range times3(back, times3(p3ToXYZ, linear)) {
					v = min(max(v, 0), 1)
					want := 12.92 * v
					if v > 0.0031308 {
						want = 1.055*math.Pow(v, 1/2.4) - 0.055
					}
					d := math.Abs(want*255 - float64(got.Planes[i].Pix[0]))
					worst, sum, n = max(worst, d), sum+d*d, n+1
				}
			}
		}
	}
	if psnr := 10 * math.Log10(255*255*float64(n)/sum); psnr < 45 || worst > 8 {
		t.Errorf("PSNR %.1f dB, off by %.1f at worst", psnr, worst)
	}
}
