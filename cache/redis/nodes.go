package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Node is what a node has said of itself.
type Node struct {
	ID   string
	Text []byte
	Age  time.Duration // since it said so, by the server's clock
}

// forgotten is how long the list has a node that says nothing any more.
const forgotten = time.Hour

// announceScript notes what a node says, with the server's time in microseconds.
var announceScript = goredis.NewScript(`
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now[1] * 1000000 + now[2], ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[3])`)

func (s *Shared) nodesKey() string { return s.Prefix + "nodes" }

// ID tells this node from the others, until it ends.
func (s *Shared) ID() string { return s.node }

// Announce notes text as what this node says of itself.
func (s *Shared) Announce(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	err := announceScript.Run(ctx, s.client, []string{s.nodesKey()}, s.node, text, int(forgotten/time.Second)).Err()
	if err != nil && err != goredis.Nil { //nolint:errorlint // a script without an answer
		return fmt.Errorf("redis: announce: %w", err)
	}
	return nil
}

// Leave takes this node off the list.
func (s *Shared) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	if err := s.client.HDel(ctx, s.nodesKey(), s.node).Err(); err != nil {
		return fmt.Errorf("redis: leave: %w", err)
	}
	return nil
}

// Nodes lists what the nodes have said within the last hour, by their ids.
func (s *Shared) Nodes(ctx context.Context) ([]Node, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	all, err := s.client.HGetAll(ctx, s.nodesKey()).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: nodes: %w", err)
	}
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: nodes: %w", err)
	}
	var list []Node
	for id, said := range all {
		at, text, _ := strings.Cut(said, " ")
		micros, err := strconv.ParseInt(at, 10, 64)
		age := now.Sub(time.UnixMicro(micros))
		if err != nil || age > forgotten {
			if err := s.client.HDel(ctx, s.nodesKey(), id).Err(); err != nil {
				return nil, fmt.Errorf("redis: nodes: %w", err)
			}
			continue
		}
		list = append(list, Node{ID: id, Text: []byte(text), Age: max(0, age)})
	}
	slices.SortFunc(list, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Lag is how long ago all purges of the other nodes were known here; negative = they
// never were.
func (s *Shared) Lag() time.Duration {
	at := s.line.heard.Load()
	if at == 0 {
		return -1
	}
	return time.Since(s.line.began) - time.Duration(at)
}
