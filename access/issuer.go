package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/coreos/go-oidc/v3/oidc"

	"simplecqrs/loopback"
	"simplecqrs/order"
)

const (
	// askTime bounds a question to the issuer.
	askTime = 10 * time.Second
	// clockSkew is by how much the issuer's clock may be behind ours.
	clockSkew = time.Minute
	// keysFor is for how long the issuer's keys are taken for those that it shows.
	keysFor = 5 * time.Minute
)

// algorithms are those by which an issuer may sign: with a key that it alone has.
var algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.ES384, oidc.EdDSA}

// issuer judges the JWTs of an OpenID issuer.
type issuer struct {
	url, audience string
	scopes        []string
	log           *slog.Logger
	client        *http.Client
	verifier      atomic.Pointer[oidc.IDTokenVerifier] // nil until the issuer was found
	now           func() time.Time
	after         func(time.Duration) <-chan time.Time
}

func newIssuer(c Config) (*issuer, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback.Name(u.Hostname())) {
		return nil, fmt.Errorf("access: the issuer is %q: want https://host/path", c.Issuer)
	}
	if c.Audience == "" {
		return nil, errors.New("access: say for which audience the issuer's tokens must be, or those meant for others would be good here")
	}
	i := &issuer{url: c.Issuer, audience: c.Audience, scopes: c.Scopes, log: c.Logger, now: time.Now, after: time.After}
	i.client = asking(i.keysChanged)
	return i, nil
}

// asking gives a client that asks an issuer.
func asking(changed func(error)) *http.Client {
	return &http.Client{Transport: &sparing{next: http.DefaultTransport, now: time.Now, changed: changed}, Timeout: askTime}
}

// keysChanged tells once that the keys cannot be had, and of the end of that: how often
// they are asked for is up to whoever sends tokens.
func (i *issuer) keysChanged(err error) {
	if err != nil {
		i.log.Warn("the keys of the issuer of tokens could not be fetched", slog.String("issuer", i.url), slog.Any("error", err))
		return
	}
	i.log.Info("the keys of the issuer of tokens could be fetched again", slog.String("issuer", i.url))
}

// discover asks the issuer about itself until it answers, and from then on every so often:
// the set of keys asks by itself for keys that it does not know, and never for whether one
// is shown no more.
func (i *issuer) discover(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = time.Second, 30*time.Second
	for found := false; ; {
		delay := keysFor
		err := i.find(ctx)
		switch {
		case err != nil:
			delay = wait.NextBackOff()
			i.log.Warn("the issuer of tokens could not be asked; its tokens are judged by the keys that it showed last, or not taken if it never did",
				slog.String("issuer", i.url), slog.Any("error", err), slog.Duration("again", delay))
		case !found:
			wait.Reset()
			i.log.Info("the issuer of tokens was found", slog.String("issuer", i.url))
		}
		found = err == nil
		select {
		case <-i.after(delay):
		case <-ctx.Done():
			return
		}
	}
}

// find takes over what the issuer says of itself. Keys that are there already stay until
// the new ones are.
func (i *issuer) find(ctx context.Context) error {
	// By a client that knows of no try before, as discover waits between them.
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, asking(nil)), i.url)
	if err != nil {
		return err
	}
	var its struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&its); err != nil {
		return err
	}
	if its.Keys == "" {
		return errors.New("it does not say where its keys are")
	}
	set := keys{oidc.NewRemoteKeySet(oidc.ClientContext(ctx, i.client), its.Keys)}
	if i.verifier.Load() != nil {
		var by fault
		_, _ = set.VerifySignature(context.WithValue(ctx, fault{}, &by), nobodys) // it never is good
		if by.away != nil {
			return by.away
		}
	}
	i.verifier.Store(oidc.NewVerifier(i.url, set, &oidc.Config{
		ClientID:             i.audience,
		SupportedSigningAlgs: algorithms,
		Now:                  func() time.Time { return i.now().Add(-clockSkew) },
	}))
	return nil
}

// keys are those of the issuer. It tells by whose fault a token was not verified,
// which the verifier above keeps for itself, and the set below says in words only.
type keys struct{ *oidc.RemoteKeySet }

type fault struct{ away error }

// nobodys is a token without a signature that could be good, {"alg":"ES256"} and {}, at
// which a set that has no keys yet fetches them.
const nobodys = "eyJhbGciOiJFUzI1NiJ9.e30.AA"

func (k keys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.RemoteKeySet.VerifySignature(ctx, jwt)
	if at, asked := ctx.Value(fault{}).(*fault); asked && err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		at.away = err
	}
	return payload, err
}

func (i *issuer) authenticate(ctx context.Context, jwt string) (subject string, scopes []string, err error) {
	verifier := i.verifier.Load()
	if verifier == nil {
		return "", nil, away()
	}
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var by fault
	verified, err := verifier.Verify(context.WithValue(limited, fault{}, &by), jwt)
	var expired *oidc.TokenExpiredError
	switch {
	case by.away != nil && ctx.Err() != nil:
		return "", nil, ctx.Err() // who asked is gone, which tells nothing of the issuer
	case by.away != nil:
		return "", nil, away()
	case errors.As(err, &expired):
		return "", nil, refused("the token has expired: get a new one from its issuer")
	case err != nil:
		i.log.Debug("a token was refused", slog.Any("error", err))
		return "", nil, refused("the token is not one that " + i.url + " gave for here")
	}
	if err := checkSubject(verified.Subject); err != nil {
		return "", nil, refused("the token's claim sub is not to be used: " + err.Error())
	}
	var claims struct {
		Scope words `json:"scope"`
		Scp   words `json:"scp"`
	}
	if err := verified.Claims(&claims); err != nil {
		return "", nil, refused("the token's claims scope and scp are not to be read")
	}
	for _, s := range i.scopes {
		if slices.Contains(claims.Scope, s) || slices.Contains(claims.Scp, s) {
			scopes = append(scopes, s)
		}
	}
	return verified.Subject, scopes, nil
}

func away() error {
	return &order.Error{Kind: order.Unavailable, Detail: "the token cannot be judged now, as its issuer does not answer: try again"}
}

// words are a list, or a text with spaces between them: issuers have both.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*w = strings.Fields(text)
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}
