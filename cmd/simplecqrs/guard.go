package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"log/slog"
	"regexp"
	"strings"

	"simplecqrs/access"
	"simplecqrs/edge"
)

// guard is what flags say of who is let in.
type guard struct {
	tokens, issuer, audience *string
	certificate, key         *string
	plainHTTP                *bool
	publicURL                *string
	hosts                    *list
	rate                     *float64
	burst                    *int
}

func guardFlags(f *flag.FlagSet) guard {
	return guard{
		tokens: f.String("tokens", "", "`file` of who may do what: on each line a token, or sha256: and its hash in hex; a name; "+
			"and scopes of command, query, admin, with commas between them. It is read anew when it changes"),
		issuer:      f.String("oidc-issuer", "", "`URL` of an OpenID issuer, whose JWTs are taken as tokens"),
		audience:    f.String("oidc-audience", "", "`audience` that those must be for"),
		certificate: f.String("tls-cert", "", "`file` with the HTTP server's certificate, in PEM; read anew when it changes"),
		key:         f.String("tls-key", "", "`file` with its key, in PEM"),
		plainHTTP:   f.Bool("plain-http", false, "serve beyond loopback without TLS, as something in front of this process has it"),
		publicURL:   define(f, "public-url", "", publicURL, "`URL` that links begin with, where clients call by another than this process sees, as through a proxy that has the TLS"),
		hosts:       define(f, "host", nil, listOf(anything), "`name,…` that clients call this process by, beside localhost; of use without tokens only"),
		rate:        define(f, "command-rate", 0, rate, "commands that each client may give in a `second`; 0 is any number"),
		burst:       define(f, "command-burst", 0, count(mostOrders), "commands that may come at `once` (default as many as in a second)"),
	}
}

var siteURL = regexp.MustCompile(`^https?://([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

func publicURL(s string) (string, error) {
	s = strings.TrimSuffix(s, "/")
	if !siteURL.MatchString(s) {
		return "", errors.New("want a scheme, a host and perhaps a port, such as https://shop.example")
	}
	return s, nil
}

// check refuses flags that do not go together.
func (g guard) check() error {
	switch {
	case (*g.issuer == "") != (*g.audience == ""):
		return errors.New("-oidc-issuer and -oidc-audience go together")
	case (*g.certificate == "") != (*g.key == ""):
		return errors.New("-tls-cert and -tls-key go together")
	}
	return nil
}

// open reads what the flags lead to, and looks after it until ctx ends.
func (g guard) open(ctx context.Context, log *slog.Logger) (e edge.Guard, t *tls.Config, err error) {
	e = edge.Guard{Hosts: *g.hosts, CommandRate: *g.rate, CommandBurst: *g.burst}
	if *g.tokens != "" || *g.issuer != "" {
		e.Callers, err = access.Open(ctx, access.Config{
			Tokens: *g.tokens, Issuer: *g.issuer, Audience: *g.audience, Scopes: edge.Scopes(), Logger: log,
		})
		if err != nil {
			return e, nil, err
		}
	}
	if *g.certificate != "" {
		t, err = access.ServerTLS(ctx, *g.certificate, *g.key, log)
	}
	return e, t, err
}
