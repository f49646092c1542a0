package access

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"simplecqrs/access/issuertest"
	"simplecqrs/order"
)

func openWith(t *testing.T, i *issuertest.Issuer, change ...func(*Config)) (*Access, *journal) {
	t.Helper()
	j := newJournal()
	c := Config{Issuer: i.URL, Audience: issuertest.Audience, Scopes: allScopes, Logger: j.logger()}
	for _, f := range change {
		f(&c)
	}
	a, err := Open(t.Context(), c)
	check(t, err)
	return a, j
}

func TestAnIssuersTokenIsKnownByItsSubjectAndScopes(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	wantKnown(t, a, i.Token("ann", "openid query command root"), "ann", "command", "query")
	wantKnown(t, a, i.Token("ann", "", "scp", []string{"admin", "query"}), "ann", "query", "admin")
	wantKnown(t, a, i.Token("ann", "", "scp", "admin"), "ann", "admin")
	wantKnown(t, a, i.Token("ann", "", "scope", nil), "ann")
	wantKnown(t, a, i.Token("ann", "query", "aud", []string{"others", issuertest.Audience}), "ann", "query")
	wantKnown(t, a, i.Token("ann", "query", "exp", time.Now().Add(-clockSkew/2).Unix()), "ann", "query")
	wantRefused(t, a, i.Token("ann", "", "scope", 7), order.Invalid, "scope")
	for name, token := range i.BadTokens("query command admin") {
		t.Run(name, func(t *testing.T) {
			detail := "the token"
			if name == "expired" || name == "without end" {
				detail = "the token has expired"
			}
			wantRefused(t, a, token, order.Invalid, detail)
		})
	}
}

func TestAnIssuersNewKeyIsTakenAndItsOldOneIsNot(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	old := i.Token("ann", "query")
	wantKnown(t, a, old, "ann", "query")
	i.Rotate()
	wantKnown(t, a, old, "ann", "query") // until a token of the new one comes, for five minutes
	sparingOf(a).now = func() time.Time { return time.Now().Add(spare) }
	// The set of keys gives what it has fetched to those who wait for it a moment before
	// it takes it over.
	taken := func(token string) bool { _, _, err := a.Authenticate(t.Context(), token); return err == nil }
	bobs := i.Token("bob", "query")
	for limit := time.Now().Add(time.Minute); (!taken(bobs) || taken(old)) && time.Now().Before(limit); {
		runtime.Gosched()
	}
	wantKnown(t, a, bobs, "bob", "query")
	wantRefused(t, a, old, order.Invalid, "the token is not one that "+i.URL)
}

// clocked is an issuer's judge whose waits the test ends.
type clocked struct {
	*Access
	*journal
	waits chan time.Duration // one that has begun
	over  chan time.Time     // ends it
	ahead atomic.Int64
}

func judgeByClock(t *testing.T, i *issuertest.Issuer) *clocked {
	t.Helper()
	c := &clocked{journal: newJournal(), waits: make(chan time.Duration), over: make(chan time.Time)}
	one, err := newIssuer(Config{Issuer: i.URL, Audience: issuertest.Audience, Scopes: allScopes, Logger: c.logger()})
	check(t, err)
	one.after = func(d time.Duration) <-chan time.Time {
		select {
		case c.waits <- d:
		case <-t.Context().Done():
		}
		return c.over
	}
	c.Access = &Access{issuer: one}
	sparingOf(c.Access).now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	go one.discover(t.Context())
	return c
}

// wait gives the next wait, before which the issuer is asked.
func (c *clocked) wait(t *testing.T) time.Duration {
	t.Helper()
	select {
	case d := <-c.waits:
		return d
	case <-time.After(time.Minute):
		t.Fatal("the issuer is not to be asked again")
		return 0
	}
}

// pass has a wait be over that has begun, and gives the next one.
func (c *clocked) pass(t *testing.T, d time.Duration) (next time.Duration) {
	t.Helper()
	c.ahead.Add(int64(d))
	c.over <- time.Now()
	return c.wait(t)
}

func TestAKeyThatTheIssuerWithdrawsIsGoodForFiveMinutesAtMost(t *testing.T) {
	i := issuertest.Start(t)
	a := judgeByClock(t, i)
	wait := a.wait(t)
	leaked := i.Token("ann", "query")
	wantKnown(t, a.Access, leaked, "ann", "query")
	wait = a.pass(t, wait)
	wantKnown(t, a.Access, leaked, "ann", "query")
	i.Rotate()
	if wait > 5*time.Minute {
		t.Errorf("the keys are asked for anew after %v", wait)
	}
	a.pass(t, wait)
	wantRefused(t, a.Access, leaked, order.Invalid, "the token is not one that "+i.URL)
	wantKnown(t, a.Access, i.Token("bob", "query"), "bob", "query")
	if n := a.count("was found"); n != 1 {
		t.Errorf("it is logged %d times that the issuer was found", n)
	}
}

func TestTheKeysStayWhileTheIssuerIsAway(t *testing.T) {
	for name, away := range map[string]func(i *issuertest.Issuer, s *sparing){
		"all of it": func(i *issuertest.Issuer, _ *sparing) { i.Away(true) },
		"its keys alone": func(_ *issuertest.Issuer, s *sparing) {
			s.next = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody is there") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.Start(t)
			a := judgeByClock(t, i)
			wait := a.wait(t)
			leaked := i.Token("ann", "query")
			wantKnown(t, a.Access, leaked, "ann", "query")
			i.Rotate()
			s := sparingOf(a.Access)
			next := s.next
			away(i, s)
			for range 3 {
				wait = a.pass(t, wait)
				wantKnown(t, a.Access, leaked, "ann", "query")
				if wait > 30*time.Second {
					t.Errorf("while it is away it is asked again after %v", wait)
				}
			}
			i.Away(false)
			s.next = next
			a.pass(t, max(wait, spare))
			wantRefused(t, a.Access, leaked, order.Invalid, "the token is not one that "+i.URL)
		})
	}
}

func sparingOf(a *Access) *sparing { return a.issuer.client.Transport.(*sparing) }

func TestForgedTokensDoNotFloodTheIssuer(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	for range 20 {
		wantRefused(t, a, issuertest.Sign(t, jose.ES256, issuertest.NewKey(t, "mine"), i.Claims("ann", "query")), order.Invalid, "the token")
	}
	if n := i.Asked(); n != 1 {
		t.Errorf("the issuer was asked for its keys %d times", n)
	}
}

func TestForgedTokensFloodNeitherAnIssuerThatFailsNorTheLog(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	i.Away(true)
	s, asked := sparingOf(a), 0
	next, now := s.next, time.Now()
	s.next = roundTrip(func(r *http.Request) (*http.Response, error) { asked++; return next.RoundTrip(r) })
	s.now = func() time.Time { return now }
	for range 3 {
		for range 20 {
			wantRefused(t, a, issuertest.Sign(t, jose.ES256, issuertest.NewKey(t, "mine"), i.Claims("ann", "query")), order.Unavailable, "cannot be judged now")
		}
		now = now.Add(spare)
	}
	if logged := j.count("could not be fetched"); asked != 3 || logged != 1 {
		t.Errorf("asked %d times, logged %d times; want 3 and 1", asked, logged)
	}
}

func TestAClientThatHangsUpSaysNothingOfTheIssuer(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	ctx, hangUp := context.WithCancel(t.Context())
	s := sparingOf(a)
	next, gone := s.next, make(chan struct{})
	s.next = roundTrip(func(r *http.Request) (*http.Response, error) {
		hangUp()
		<-gone
		return next.RoundTrip(r)
	})
	if _, _, err := a.Authenticate(ctx, i.Token("ann", "query")); !errors.Is(err, context.Canceled) || order.KindOf(err) != 0 {
		t.Errorf("it is told %v", err)
	}
	close(gone)
	wantKnown(t, a, i.Token("ann", "query"), "ann", "query")
	if j.count("could not be fetched") > 0 {
		t.Error("the issuer is said to be away")
	}
}

func TestAnIssuerThatIsAwayAtTheStartIsAskedAgain(t *testing.T) {
	i := issuertest.Start(t)
	i.Away(true)
	tokens := file(t, annsToken+" ann query")
	a, j := openWith(t, i, func(c *Config) { c.Tokens = tokens })
	j.said(t, "could not be asked")
	wantRefused(t, a, i.Token("bob", "query"), order.Unavailable, "cannot be judged now")
	wantKnown(t, a, annsToken, "ann", "query") // who needs no issuer
	i.Away(false)
	j.said(t, "the issuer of tokens was found")
	wantKnown(t, a, i.Token("bob", "query"), "bob", "query")
	wantKnown(t, a, annsToken, "ann", "query")
}

func TestATokenIsNotRefusedForTheIssuersKeysBeingAway(t *testing.T) {
	i := issuertest.Start(t)
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	i.Away(true)
	wantRefused(t, a, i.Token("ann", "query"), order.Unavailable, "cannot be judged now")
	i.Away(false)
	sparingOf(a).now = func() time.Time { return time.Now().Add(spare) }
	// The set of keys may still be about to let go of the try that failed, which one who
	// comes meanwhile shares.
	for end := time.Now().Add(time.Minute); ; {
		if _, _, err := a.Authenticate(t.Context(), i.Token("ann", "query")); err == nil || time.Now().After(end) {
			break
		}
	}
	wantKnown(t, a, i.Token("ann", "query"), "ann", "query")
	j.said(t, "could be fetched again")
	i.Away(true)
	wantKnown(t, a, i.Token("ann", "query"), "ann", "query") // by the key that is known
	wantRefused(t, a, i.Token("ann", "query", "aud", "others"), order.Invalid, "the token is not one")
}

func TestAnIssuerIsAskedByTLSAndForAnAudience(t *testing.T) {
	for _, c := range []Config{
		{Issuer: "http://issuer.example", Audience: "a"},
		{Issuer: "issuer.example", Audience: "a"},
		{Issuer: "https://", Audience: "a"},
		{Issuer: "https://issuer.example"},
	} {
		c.Logger = newJournal().logger()
		if _, err := Open(t.Context(), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestTokensAreSignedByTheAlgorithmsThatWeTakeAndNoOther(t *testing.T) {
	i := issuertest.Start(t)
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	i.RotateTo(jose.JSONWebKey{Key: k, KeyID: "rsa"})
	a, j := openWith(t, i)
	j.said(t, "the issuer of tokens was found")
	for algorithm, taken := range map[jose.SignatureAlgorithm]bool{jose.RS256: true, jose.PS256: true, jose.RS384: false, jose.RS512: false, jose.PS512: false} {
		token := issuertest.Sign(t, algorithm, i.Key(), i.Claims("ann", "query"))
		if taken {
			wantKnown(t, a, token, "ann", "query")
		} else {
			wantRefused(t, a, token, order.Invalid, "the token is not one")
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

func TestAnIssuersAnswerIsBounded(t *testing.T) {
	s := &sparing{now: time.Now, next: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: endless{}}, nil
	})}
	_, err := (&http.Client{Transport: s}).Get("http://issuer.example/keys")
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("it says %v", err)
	}
	s.next = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody is there") })
	if _, err = (&http.Client{Transport: s}).Get("http://issuer.example/keys"); err == nil {
		t.Error("a failure is kept for an answer")
	}
}
