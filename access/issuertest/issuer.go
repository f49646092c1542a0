// Package issuertest is an OpenID issuer on loopback, for tests.
package issuertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is what the issuer's tokens are for, unless it is said otherwise.
const Audience = "orders"

// Issuer signs tokens with one key, and shows that and no other.
type Issuer struct {
	URL string

	t      *testing.T
	server *httptest.Server

	mu    sync.Mutex
	key   jose.JSONWebKey
	asked int
	away  bool
}

// Start starts an issuer that ends with the test.
func Start(t *testing.T) *Issuer {
	t.Helper()
	i := &Issuer{t: t}
	i.Rotate()
	i.server = httptest.NewServer(i)
	i.URL = i.server.URL
	t.Cleanup(i.server.Close)
	return i
}

// NewKey makes a key to sign with.
func NewKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

// Rotate has the issuer sign with a new key, and show that alone.
func (i *Issuer) Rotate() { i.RotateTo(NewKey(i.t, fmt.Sprintf("key%d", time.Now().UnixNano()))) }

// RotateTo is Rotate to a key that is given.
func (i *Issuer) RotateTo(key jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
}

// Away has the issuer answer with an error, or no longer so.
func (i *Issuer) Away(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

// Asked is how often the keys were asked for.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Key is what the issuer signs with now.
func (i *Issuer) Key() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key
}

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var answer any
	switch {
	case i.away:
		w.WriteHeader(http.StatusBadGateway)
		return
	case r.URL.Path == "/.well-known/openid-configuration":
		// It says that it signs with anything, which is not to be relied on.
		answer = map[string]any{
			"issuer": i.URL, "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256"},
		}
	case r.URL.Path == "/keys":
		i.asked++
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		i.t.Error(err)
	}
}

// Claims are those of a good token, with changes: pairs of a name and a value, which is
// nil for a claim that is to be missing.
func (i *Issuer) Claims(subject, scope string, changes ...any) map[string]any {
	claims := map[string]any{
		"iss": i.URL, "aud": Audience, "sub": subject, "scope": scope,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for j := 0; j < len(changes); j += 2 {
		name := changes[j].(string)
		if claims[name] = changes[j+1]; changes[j+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// Token is a token with such claims, signed with the issuer's key.
func (i *Issuer) Token(subject, scope string, changes ...any) string {
	i.t.Helper()
	return Sign(i.t, jose.ES256, i.Key(), i.Claims(subject, scope, changes...))
}

// Sign makes a token.
func Sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Unsigned makes a token that says that it needs no signature.
func Unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(body) + "."
}

// BadTokens are tokens of somebody who would have the scopes, each with a fault.
func (i *Issuer) BadTokens(scope string) map[string]string {
	i.t.Helper()
	key := i.Key()
	public := key.Public()
	der, err := json.Marshal(public) // any bytes that an attacker knows, too
	if err != nil {
		i.t.Fatal(err)
	}
	good := i.Token("ann", scope)
	other := []byte(i.Token("ann", scope, "sub", "bob"))
	parts := func(token string) (head, rest string) { n := len(token) - 86; return token[:n], token[n:] }
	head, _ := parts(string(other))
	_, signature := parts(good)
	return map[string]string{
		"expired":                          i.Token("ann", scope, "exp", time.Now().Add(-time.Hour).Unix()),
		"without end":                      i.Token("ann", scope, "exp", nil),
		"not begun":                        i.Token("ann", scope, "nbf", time.Now().Add(time.Hour).Unix()),
		"of another key":                   Sign(i.t, jose.ES256, NewKey(i.t, "other"), i.Claims("ann", scope)),
		"of another key that has the name": Sign(i.t, jose.ES256, NewKey(i.t, i.Key().KeyID), i.Claims("ann", scope)),
		"with another's signature":         head + signature,
		"signed with the public key":       Sign(i.t, jose.HS256, der, i.Claims("ann", scope)),
		"alg none":                         Unsigned(i.t, i.Claims("ann", scope)),
		"for others":                       i.Token("ann", scope, "aud", "others"),
		"for nobody":                       i.Token("ann", scope, "aud", nil),
		"of another issuer":                i.Token("ann", scope, "iss", "https://elsewhere.example"),
		"of nobody":                        i.Token("", scope),
		"of somebody who forges logs":      i.Token("ann\nroot", scope),
		"no token":                         "a.b.c",
	}
}
