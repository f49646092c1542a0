package access

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"unicode"

	"simplecqrs/order"
)

// Config says which tokens are good.
type Config struct {
	Tokens   string   // file with tokens; empty: none
	Issuer   string   // URL of an OpenID issuer; empty: none
	Audience string   // what the issuer's tokens must be meant for
	Scopes   []string // all that there are; of an issuer's others nothing is known
	Logger   *slog.Logger
}

// Access judges tokens.
type Access struct {
	tokens *kept[tokens] // nil: there is no file
	issuer *issuer       // nil: there is none
}

// Open reads the file, and begins to ask the issuer for its keys, until it has them.
// Both are looked after until ctx ends.
func Open(ctx context.Context, c Config) (*Access, error) {
	a := &Access{}
	if c.Tokens == "" && c.Issuer == "" {
		return nil, errors.New("access: neither a file with tokens nor an issuer is given")
	}
	if c.Tokens != "" {
		var err error
		if a.tokens, err = openTokens(c); err != nil {
			return nil, err
		}
	}
	if c.Issuer != "" {
		var err error
		if a.issuer, err = newIssuer(c); err != nil {
			return nil, err
		}
	}
	if a.tokens != nil {
		go a.tokens.watch(ctx)
	}
	if a.issuer != nil {
		go a.issuer.discover(ctx)
	}
	return a, nil
}

// Authenticate tells whom a token is of, and what its holder may do. An error is an
// *[order.Error], Unavailable if it cannot be told now, else Invalid, or the error of ctx.
func (a *Access) Authenticate(ctx context.Context, token string) (subject string, scopes []string, err error) {
	if a.tokens != nil {
		if t, found := a.tokens.value().find(token); found {
			return t.subject, t.scopes, nil
		}
	}
	if a.issuer != nil && strings.Count(token, ".") == 2 {
		return a.issuer.authenticate(ctx, token)
	}
	return "", nil, refused("the token is unknown")
}

func refused(detail string) error { return &order.Error{Kind: order.Invalid, Detail: detail} }

// maxSubject bounds a subject, in bytes: it stands in each event that it caused.
const maxSubject = 200

func checkSubject(s string) error {
	switch {
	case s == "" || len(s) > maxSubject:
		return errors.New("a subject has 1 to 200 bytes")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return errors.New("a subject is of characters that can be printed")
	}
	return nil
}
