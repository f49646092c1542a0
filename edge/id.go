package edge

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/oklog/ulid/v2"
)

// NewID makes an order's id: ORD- and a ULID, which no two orders share.
func NewID() string { return "ORD-" + newULID() }

func newULID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// orderIDOf makes the id of an order that is placed with a key. It is always the same for
// the same client and key.
func orderIDOf(client, key string) string { return "ORD-" + derivedULID("order", client, key) }

// commandID makes the id of a command to an order. With a key, and for the same client and
// command, it is always the same; with another body under that key, but for its end.
func commandID(orderID string, c command) string {
	if c.key == "" {
		return "CMD-" + newULID()
	}
	return "CMD-" + derivedULID(orderID, string(c.verb), c.client, c.key) + c.print
}

// derivedULID has the form of a ULID, and is made of texts alone.
func derivedULID(of ...string) string {
	h := sha256.New()
	for _, text := range of {
		_, _ = fmt.Fprintf(h, "%d %s", len(text), text) // a hash takes anything
	}
	return ulid.ULID(h.Sum(nil)[:16]).String()
}

// The length of fingerprints: of a command, which stands beside few others, and of an
// order's payload.
const (
	printSize   = 1 + 2*4
	payloadSize = 1 + 2*8
)

// fingerprint tells what a command says from what another does.
func fingerprint(all members) string {
	return printOf(all, "reason", "actor", "output", memberStartAt)[:printSize]
}

// payload tells what a command that places an order says from what another does.
func payload(all members) string {
	return printOf(all, slices.Sorted(maps.Keys(all))...)[:payloadSize]
}

// printOf makes a fingerprint of members, white space between their parts aside.
func printOf(all members, names ...string) string {
	h := sha256.New()
	for _, name := range names {
		var b bytes.Buffer
		if err := json.Compact(&b, all[name]); err != nil {
			b.Reset() // there is no such member: those that are there are JSON
		}
		_, _ = fmt.Fprintf(h, "%s %d %s", name, b.Len(), b.Bytes()) // a hash takes anything
	}
	return fmt.Sprintf("-%X", h.Sum(nil))
}
