package edge

import (
	"net/http"
	"strings"
)

const headerKey = "Idempotency-Key"

// keyOf reads the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), by
// which copies of a request are known; empty without one. It is a string as structured
// fields have them (RFC 9651), in quotes; without quotes the same key is meant.
func keyOf(h http.Header) (string, error) {
	lines := h.Values(headerKey)
	switch len(lines) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", fail(http.StatusBadRequest, "the header %s stands %d times: want one", headerKey, len(lines))
	}
	line := strings.Trim(lines[0], " \t")
	key, ok := line, bare(line)
	if inner, quoted := strings.CutPrefix(line, `"`); quoted {
		key, ok = unquoted(inner)
	}
	switch {
	case !ok:
		return "", fail(http.StatusBadRequest, "the header %s is no key: want visible ASCII, "+
			"in quotes where there are spaces, commas, semicolons, quotes or backslashes", headerKey)
	case key == "":
		return "", fail(http.StatusBadRequest, "the header %s is empty: want a key, or no such header", headerKey)
	case len(key) > maxKey:
		return "", fail(http.StatusBadRequest, "the header %s has %d bytes; %d are allowed", headerKey, len(key), maxKey)
	}
	return key, nil
}

// bare reports whether a key may stand without quotes.
func bare(key string) bool {
	return strings.IndexFunc(key, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`",;\`, c) }) < 0
}

// unquoted reads what follows an opening quote, up to the closing one, which must be last.
func unquoted(rest string) (key string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return b.String(), i == len(rest)-1
		case c == '\\' && i+1 < len(rest) && (rest[i+1] == '"' || rest[i+1] == '\\'):
			i++
			b.WriteByte(rest[i])
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
