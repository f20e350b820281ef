// Command sim computes what a fleet of nodes would see, and what it would cost.
package main

import (
	"fmt"
	"io"
	"os"
)

// The numbers that all tables share.
const (
	images   = 100_000_000
	variants = 3    // entries of an image that are asked for
	entry    = 40e3 // bytes of one
	original = 1e6  // bytes of an original
	month    = 2_628_000.0
)

// fleet is n nodes with 4 GB of memory and 400 GB of disk for answers, and 16 GB of Redis for every ten.
func fleet(n int, affinity bool) Fleet {
	return Fleet{
		Nodes: n, Each: 500, Entries: images * variants, Alpha: 0.9, Entry: entry, Memory: 4e9, Disk: 400e9,
		Redis: 16e9 * max(1, float64(n)/10), Purges: 1, Variants: variants, Core: 25, Affinity: affinity,
	}
}

// Prices, in dollars: list prices of late 2025, as round as they are. Traffic to visitors is left out on both sides.
const (
	nodePrice    = 80.0      // a month: 8 cores, 16 GB, 500 GB of disk
	redisPrice   = 6.0       // a GB and month
	s3GB         = 0.023     // a month
	s3Get        = 0.4 / 1e6 // each
	cfStored     = 5.0 / 1e5 // an image and month
	cfDelivered  = 1.0 / 1e5 // an image
	nodeCores    = 8
	redisCommand = 100_000.0 // a second, of one Redis without pipelining
	redisNetwork = 10e9      // bits a second of one Redis
	s3Gets       = 16 * 5500 // a second: 5,500 for each prefix at Amazon, which splits a bucket of hashes by itself
)

func main() { write(os.Stdout) }

var sizes = []int{1, 3, 10, 100, 1000}

// write writes a set of tables for each way to spread requests.
func write(to io.Writer) {
	for _, affinity := range []bool{false, true} {
		hits(to, affinity)
		costs(to, affinity)
		ends(to, affinity)
	}
}

func hits(to io.Writer, affinity bool) {
	fmt.Fprintln(to, "| nodes | requests/s | memory (best possible) | disk | Redis | made/s | cores for that | Redis commands/s | Redis Gbit/s | S3 GET/s |")
	fmt.Fprintln(to, "|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range sizes {
		l := fleet(n, affinity).Load()
		fmt.Fprintf(to, "| %d | %.0f | %.1f %% (%.1f %%) | %.1f %% | %.1f %% | %.0f | %.1f of %d | %.0f | %.2f | %.0f |\n", n, l.Requests, 100*l.Memory, 100*l.Ceiling, 100*l.Disk, 100*l.Shared,
			l.Fills, l.Cores, n*nodeCores, l.RedisOps+l.RedisStream, l.RedisBits/1e9, l.Fills)
	}
	fmt.Fprintln(to)
}

func costs(to io.Writer, affinity bool) {
	fmt.Fprintln(to, "| nodes | nodes $ | Redis $ | S3 $ (stored, read) | in all $ a month | Cloudflare Images $ a month |")
	fmt.Fprintln(to, "|---|---|---|---|---|---|")
	for _, n := range sizes {
		f := fleet(n, affinity)
		l := f.Load()
		nodes, redis := float64(n)*nodePrice, f.Redis/1e9*redisPrice
		stored, read := images*original/1e9*s3GB, l.Fills*month*s3Get
		cloudflare := images*cfStored + l.Requests*month*cfDelivered
		fmt.Fprintf(to, "| %d | %.0f | %.0f | %.0f, %.0f | %.0f | %.0f |\n", n, nodes, redis, stored, read, nodes+redis+stored+read, cloudflare)
	}
	fmt.Fprintln(to)
}

func ends(to io.Writer, affinity bool) {
	fmt.Fprintln(to, "| nodes | nearest its end | at |")
	fmt.Fprintln(to, "|---|---|---|")
	for _, n := range []int{10, 100, 1000} {
		what, share := bottleneck(n, affinity)
		fmt.Fprintf(to, "| %d | %s | %.0f %% |\n", n, what, 100*share)
	}
	fmt.Fprintln(to)
}

// bottleneck is what is nearest to its end, and how near.
func bottleneck(n int, affinity bool) (what string, share float64) {
	l := fleet(n, affinity).Load()
	for _, b := range []struct {
		what  string
		share float64
	}{
		{"processors, for pictures that are made", l.Cores / float64(n*nodeCores)},
		{"commands of one Redis", (l.RedisOps + l.RedisStream) / redisCommand},
		{"the network of one Redis", l.RedisBits / redisNetwork},
		{"GETs of a bucket", l.Fills / s3Gets},
	} {
		if b.share > share {
			what, share = b.what, b.share
		}
	}
	return what, share
}
