package codec

import "github.com/fovea-images/fovea/engine"

// defaultQuality is the contract's.
const defaultQuality = 85

func qualityOf(o engine.EncodeOptions) int {
	if o.Quality == 0 {
		return defaultQuality
	}
	return o.Quality
}

// scale maps the contract's quality to an encoder's own number: pairs of both,
// straight lines between them. JPEG is the yardstick. The numbers are those of
// equal SSIMULACRA 2, measured on five photographs at 800 pixels, and extrapolated below 20 and where
// the encoder's best is below JPEG's; how to measure
// again: bench/README.md.
type scale [][2]int

var (
	webpScale    = scale{{1, 1}, {20, 8}, {40, 44}, {50, 58}, {60, 68}, {70, 78}, {80, 85}, {85, 88}, {90, 93}, {95, 100}, {100, 100}}
	libavifScale = scale{{1, 5}, {20, 24}, {40, 42}, {50, 47}, {60, 51}, {70, 56}, {80, 63}, {85, 69}, {90, 77}, {95, 90}, {100, 100}} // speed 10
	libheifScale = scale{{1, 8}, {20, 33}, {40, 49}, {50, 53}, {60, 57}, {70, 62}, {80, 70}, {85, 75}, {90, 83}, {95, 93}, {100, 100}} // speed 9
	smallScale   = scale{{1, 6}, {20, 28}, {40, 44}, {50, 50}, {60, 53}, {70, 59}, {80, 67}, {85, 73}, {90, 81}, {95, 93}, {100, 100}} // libheif, speed 6
)

// of returns the encoder's number for quality 1..100.
func (s scale) of(quality int) int {
	for i := 1; i < len(s); i++ {
		if from, to := s[i-1], s[i]; quality <= to[0] {
			return from[1] + ((to[1]-from[1])*(quality-from[0])*2+(to[0]-from[0]))/(2*(to[0]-from[0]))
		}
	}
	return 100
}
