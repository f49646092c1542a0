package edge

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds how many clients' commands are counted each by itself. Those
// beyond share one count, until others have been idle.
const maxClients = 10_000

// limits bounds the commands of each client.
type limits struct {
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	clients map[string]*rate.Limiter
	rest    *rate.Limiter
	swept   time.Time
}

func newLimits(perSecond float64, burst int) *limits {
	if perSecond <= 0 {
		return nil
	}
	burst = cmp.Or(burst, int(math.Ceil(perSecond)))
	l := &limits{rate: rate.Limit(perSecond), burst: burst, now: time.Now, clients: map[string]*rate.Limiter{}}
	l.rest = rate.NewLimiter(l.rate, l.burst)
	return l
}

// take lets a client's command pass, or says when it may.
func (l *limits) take(r *http.Request) error {
	if l == nil {
		return nil
	}
	now := l.now()
	client := l.of(clientOf(r), now)
	if !client.AllowN(now, 1) {
		wait := max(1, math.Ceil((1-client.TokensAt(now))/float64(l.rate)))
		return &failure{
			status: http.StatusTooManyRequests,
			detail: fmt.Sprintf("these are more commands than a client may give; the next may come in %.0f s", wait),
			header: http.Header{"Retry-After": {strconv.FormatFloat(wait, 'f', 0, 64)}},
		}
	}
	return nil
}

// more counts further commands of a request that was let in: the next has to wait
// the longer.
func (l *limits) more(r *http.Request, n int) {
	if l == nil {
		return
	}
	now := l.now()
	client := l.of(clientOf(r), now)
	for ; n > 0; n -= l.burst {
		client.ReserveN(now, min(n, l.burst)) // in debt, if need be
	}
}

func (l *limits) of(client string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.clients[client]; found != nil {
		return found
	}
	if refill := time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second)); now.Sub(l.swept) > refill {
		l.swept = now
		for name, one := range l.clients {
			if one.TokensAt(now) >= float64(l.burst) { // it is as a new one would be
				delete(l.clients, name)
			}
		}
	}
	if len(l.clients) >= maxClients {
		return l.rest
	}
	l.clients[client] = rate.NewLimiter(l.rate, l.burst)
	return l.clients[client]
}

// clientOf is whose commands are counted together: a subject's, or else those of an
// address, or of a network where one has them all (IPv6).
func clientOf(r *http.Request) string {
	if subject := subjectOf(r); subject != "" {
		return "subject " + subject
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "elsewhere"
	}
	address := at.Addr().Unmap()
	if address.Is6() {
		network, _ := address.Prefix(64)
		return network.String()
	}
	return address.String()
}
