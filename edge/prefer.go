package edge

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait bounds the time for which a client may have us wait.
const MaxWait = 60 * time.Second

// waitOf reads the preference wait (RFC 7240) in seconds, cut to MaxWait; 0
// without one. Of several the first counts.
func waitOf(h http.Header) (time.Duration, error) {
	for _, line := range h.Values("Prefer") {
		for _, preference := range split(line, ',') {
			preference = split(preference, ';')[0] // the rest are parameters
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			value = strings.TrimSpace(value)
			if inner, quoted := strings.CutPrefix(value, `"`); quoted {
				value = strings.TrimSuffix(inner, `"`)
			}
			seconds, err := strconv.ParseUint(value, 10, 64)
			switch {
			case errors.Is(err, strconv.ErrRange) || err == nil && seconds > uint64(MaxWait.Seconds()):
				return MaxWait, nil
			case err != nil:
				return 0, fail(http.StatusBadRequest, "the header Prefer has wait=%s: want whole seconds", value)
			}
			return time.Duration(seconds) * time.Second, nil
		}
	}
	return 0, nil
}

// split parts a header's list where the separator stands outside of quotes.
func split(list string, separator byte) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			parts, start = append(parts, list[start:i]), i+1
		}
	}
	return append(parts, list[start:])
}
