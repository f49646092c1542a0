package edge

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/oklog/ulid/v2"
)

// NewID makes an order's id: ORD- and a ULID, which no two orders share.
func NewID() string { return "ORD-" + newULID() }

func newULID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// commandID makes the id of a command to an order. With a key, and for the same
// command, it is always the same; with another body under that key, but for its end. The
// keys of two subjects have nothing to do with each other.
func commandID(orderID string, c command) string {
	if c.key == "" {
		return "CMD-" + newULID()
	}
	said := fmt.Appendf(nil, "%s/%s/%s", orderID, c.verb, c.key)
	if c.subject != "" {
		said = fmt.Appendf(said, "\x00%s", c.subject) // which no header has in it
	}
	digest := sha256.Sum256(said)
	return "CMD-" + ulid.ULID(digest[:16]).String() + c.print
}

// printSize is the length of a fingerprint.
const printSize = 9

// fingerprint tells what a command says from what another does.
func fingerprint(all members) string {
	h := sha256.New()
	for _, name := range []string{"reason", "actor", "output", memberStartAt} {
		_, _ = fmt.Fprintf(h, "%s %d %s", name, len(all[name]), all[name]) // a hash takes anything
	}
	return fmt.Sprintf("-%08X", h.Sum(nil)[:4])
}
