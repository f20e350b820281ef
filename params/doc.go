// Package params turns a URL into a typed request and back into its one canonical form.
//
// It does no I/O and knows no clock. The grammar, over the raw request target as
// it came on the wire (contract sections 1 and 2):
//
//	target   = transform | delivery
//	transform = "/cdn-cgi/image/" options "/" source [ "?" query ]
//	delivery = ( "/cdn-cgi/imagedelivery/" | "/" ) hash "/" id "/" ( variant | options ) [ "?" query ]
//	           ; the short form on delivery hosts only
//	hash     = 1*64( ALPHA / DIGIT / "-" / "_" )
//	id       = segment *( "/" segment )    ; percent-decoded once, at most 1,024 characters,
//	                                       ; no empty, "." or ".." segment, valid UTF-8
//	variant  = 1*99( ALPHA / DIGIT / "-" / "_" )
//	options  = item *( "," item )          ; holds at least one "=" and one known name
//	item     = *" " name "=" value *" "    ; value percent-decoded once; the last of a name counts
//	source   = path | url | object         ; query is part of it
//	url      = ( "http" / "https" ) "://" host [ ":" port ] [ "/" path ]
//	           ; or all of it percent-encoded, which is decoded once
//	object   = "s3://" bucket "/" key      ; key percent-decoded once, without query; likewise
//
// The options, their short names and values:
//
//	width w           a positive number of pixels, or auto
//	height h          a positive number of pixels
//	dpr               a positive number; above 3 counts as 3
//	fit               scale-down contain cover crop aspect-crop pad squeeze scale-up
//	gravity g         auto face left right top bottom center entropy, or XxY with X and Y in 0..1
//	zoom face-zoom    0..1
//	trim              top;right;bottom;left (pixels, or fractions below 1), or border
//	trim.top …        one of top right bottom left width height
//	trim.border.color .tolerance (0..255) .keep (pixels)
//	flip              h v hv
//	rotate            0 90 180 270 360
//	background        a CSS colour: name, #rgb, #rrggbb, #rrggbbaa, rgb(), rgba(), hsl(), hsla()
//	blur              0..250
//	sharpen           0..10
//	brightness contrast gamma saturation   0..255
//	format f          auto avif webp jpeg baseline-jpeg json png png-force
//	quality q         1..100, or high medium-high medium-low low
//	slow-connection-quality scq            as quality
//	anim              true false
//	metadata          copyright keep none
//	compression       fast
//	segment           foreground
//	upscale           interpolate generate
//	onerror           redirect
//	wbreakpoints      pixels;pixels;…      with width=auto
//	wmobile wdesktop  pixels               with width=auto
//
// The JSON spelling, of variants, has the long names, and besides them
//
//	border   {"color": CSS colour, "width": pixels} or with top, right, bottom, left
//	draw     a list of at most 8 {"url": http(s) URL, "width" "height": pixels or a fraction of the
//	         base's side, "opacity": 0..1, "repeat": true "x" "y", "top" "right" "bottom" "left": pixels,
//	         "composite": over in atop out xor lighter, and any option above}
//
// Examples, each with its canonical spelling:
//
//	/cdn-cgi/image/w=80,q=high/uploads/a.png          /cdn-cgi/image/quality=90,width=80/uploads/a.png
//	/cdn-cgi/image/fit=scale-down//a.png              /cdn-cgi/image/fit=scale-down/a.png
//	/cdn-cgi/image/h=9,g=left/HTTPS://B.com:443/a     /cdn-cgi/image/gravity=0x0.5,height=9/https://b.com/a
//	/cdn-cgi/imagedelivery/h4sh/my%20cat/public       /cdn-cgi/imagedelivery/h4sh/my%20cat/public
//	/cdn-cgi/imagedelivery/h4sh/a%2Fb/width=9,width=8 /cdn-cgi/imagedelivery/h4sh/a/b/width=8
//
// What cannot be used is either refused or, where Cloudflare is lenient, left
// out with a [Warning] (R-invalid); [Site.Strict] refuses that too.
package params
