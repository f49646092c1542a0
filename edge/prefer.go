package edge

import (
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
		for preference := range strings.SplitSeq(line, ",") {
			preference, _, _ = strings.Cut(preference, ";") // parameters
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			value = strings.Trim(strings.TrimSpace(value), `"`)
			seconds, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return 0, fail(http.StatusBadRequest, "the header Prefer has wait=%s: want whole seconds", value)
			}
			return min(time.Duration(seconds)*time.Second, MaxWait), nil
		}
	}
	return 0, nil
}

func applied(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
}
