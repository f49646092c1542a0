package edge

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/oklog/ulid/v2"

	"simplecqrs/order"
)

// NewID makes an order's id: ORD- and a ULID, which no two orders share.
func NewID() string { return "ORD-" + newULID() }

func newULID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// commandID makes the id of a command to an order. With a key, and for the same
// command, it is always the same.
func commandID(orderID string, c order.Command, key string) string {
	if key == "" {
		return "CMD-" + newULID()
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s", orderID, c, key))
	return "CMD-" + ulid.ULID(digest[:16]).String()
}
