package edge

import (
	"crypto/rand"

	"github.com/oklog/ulid/v2"
)

// NewID makes an order's id: ORD- and a ULID, which no two orders share.
func NewID() string { return "ORD-" + ulid.MustNew(ulid.Now(), rand.Reader).String() }
