package web

import (
	"fmt"
	"net/netip"
	"syscall"
)

// forbidden are the networks that no source may be in: everything that is not
// the public Internet (IANA's special-purpose registries), and the IPv6 forms
// that carry an IPv4 address, which would smuggle one in.
var forbidden = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96",           // unspecified, loopback, IPv4-compatible
	"::ffff:0:0:0/96", // IPv4-translated
	"64:ff9b::/96",    // NAT64
	"64:ff9b:1::/48",  // NAT64, local use
	"100::/64", "100:0:0:1::/64",
	"2001::/23",     // Teredo, ORCHID, benchmarking and the rest of IETF assignments
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4
	"3fff::/20", "5f00::/16",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, text := range list {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// public reports whether a source may be at address.
func public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, network := range forbidden {
		if network.Contains(address) {
			return false
		}
	}
	return address.IsValid() && !isatap(address)
}

// isatap reports whether the interface part of address is an ISATAP one (RFC
// 5214): it ends in an IPv4 address, whatever the network.
func isatap(address netip.Addr) bool {
	if !address.Is6() {
		return false
	}
	b := address.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// guard is called with the very address that is about to be connected to, after
// all names are resolved: what a name resolved to a moment ago does not count.
func (o *Origin) guard(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusedError{address}
	}
	ip := target.Addr().Unmap().WithZone("")
	for _, allowed := range o.AllowPrivate {
		if allowed.Contains(ip) {
			return nil
		}
	}
	if !public(ip) {
		return &refusedError{address}
	}
	return nil
}

// refusedError says that an address is not public.
type refusedError struct{ address string }

func (e *refusedError) Error() string { return fmt.Sprintf("%s is not a public address", e.address) }
