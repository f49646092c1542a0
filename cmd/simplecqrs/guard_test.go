package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simplecqrs/access/issuertest"
)

const operatorsToken = "operator-0123456789abcdef"

// write writes a file that its owner alone may read, and gives its name.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// certified gives files with the certificate that httptest shows on loopback, and its key.
func certified(t *testing.T) (certificate, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	check(t, err)
	file := func(kind string, der []byte) string {
		return write(t, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return file("CERTIFICATE", s.Certificate().Raw), file("PRIVATE KEY", der)
}

// Routes by tokens, with a process that is as it would be in a shop.
func TestEachTokenOpensWhatItsScopesAreFor(t *testing.T) {
	issuer := issuertest.Start(t)
	certificate, key := certified(t)
	s := startServe(t, "-roles", "edge", "-query", "local", "-brokers", startBroker(t, 2), "-tokens", write(t, operatorsToken+" operator admin\n"),
		"-oidc-issuer", issuer.URL, "-oidc-audience", issuertest.Audience, "-tls-cert", certificate, "-tls-key", key)
	s.log.said(t, "the issuer of tokens was found")
	s.log.said(t, "msg=ready")
	url := strings.Replace(s.url, "http:", "https:", 1)
	client, err := httpClient(certificate)
	check(t, err)
	defer client.CloseIdleConnections()

	refused := map[string]int{"": http.StatusUnauthorized, "nonsense": http.StatusUnauthorized, operatorsToken + "0": http.StatusUnauthorized}
	for _, token := range issuer.BadTokens("command query admin") {
		refused[token] = http.StatusUnauthorized
	}
	for _, c := range []struct {
		method, path, scope string
		status              int // with the scope
	}{
		{http.MethodPost, "/command", "command", http.StatusAccepted},
		{http.MethodGet, "/command", "command", http.StatusOK},
		{http.MethodPost, "/command/pause", "command", http.StatusBadRequest},
		{http.MethodPost, "/command/ORD-B384F/pause", "command", http.StatusNotFound},
		{http.MethodGet, "/query", "query", http.StatusOK},
		{http.MethodGet, "/query/stuck", "query", http.StatusOK},
		{http.MethodGet, "/query/ORD-B384F", "query", http.StatusNotFound},
		{http.MethodGet, "/query/ORD-B384F/history", "query", http.StatusNotFound},
		{http.MethodGet, "/metrics", "query", http.StatusOK},
		{http.MethodGet, "/healthz", "", http.StatusOK},
		{http.MethodGet, "/readyz", "", http.StatusOK},
	} {
		asks := map[string]int{}
		for token, status := range refused {
			if asks[token] = status; c.scope == "" {
				asks[token] = c.status
			}
		}
		for _, scope := range []string{"command", "query", "admin"} {
			status := http.StatusForbidden
			if scope == c.scope || c.scope == "" {
				status = c.status
			}
			asks[issuer.Token("ann", scope)] = status
			if scope == "admin" {
				asks[operatorsToken] = status
			}
		}
		for token, want := range asks {
			r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
			check(t, err)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			answer, err := client.Do(r)
			check(t, err)
			check(t, answer.Body.Close())
			if answer.StatusCode != want || answer.ProtoMajor != 2 {
				t.Errorf("%s %s with %q: answered %d by %s, want %d", c.method, c.path, token, answer.StatusCode, answer.Proto, want)
			}
		}
	}

	if code, _, log := simplecqrs(t, "healthcheck", "-url", url+"/readyz"); code != 0 {
		t.Errorf("healthcheck: exit code %d, log %s", code, log)
	}
	code, answer, log := simplecqrs(t, "order", "place", "-url", url, "-cacert", certificate, "-token", issuer.Token("ann", "command"))
	if code != 0 || !strings.HasPrefix(answer, "ORD-") {
		t.Errorf("place: exit code %d, answer %s, log %s", code, answer, log)
	}
	t.Setenv("SIMPLECQRS_CACERT", certificate)
	t.Setenv("SIMPLECQRS_TOKEN", issuer.Token("ann", "query"))
	if code, _, log := simplecqrs(t, "order", "list", "-url", url); code != 0 {
		t.Errorf("list: exit code %d, log %s", code, log)
	}
	if code, answer, _ := simplecqrs(t, "order", "list", "-h"); code != 0 || strings.Contains(answer, os.Getenv("SIMPLECQRS_TOKEN")) {
		t.Errorf("help: exit code %d, answer %s", code, answer)
	}
	if code, _, log := simplecqrs(t, "order", "place", "-url", url); code != 6 || !strings.Contains(log, "this needs the scope command") {
		t.Errorf("place without its scope: exit code %d, log %s", code, log)
	}
	t.Setenv("SIMPLECQRS_CACERT", "")
	if code, _, log := simplecqrs(t, "order", "list", "-url", url); code != 5 || !strings.Contains(log, "certificate") {
		t.Errorf("list from somebody unknown: exit code %d, log %s", code, log)
	}
}

func TestNothingIsServedBeyondLoopbackThatIsNotGuarded(t *testing.T) {
	tokens := write(t, operatorsToken+" operator admin\n")
	certificate, key := certified(t)
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		for _, c := range []struct {
			args []string
			want string
		}{
			{nil, "-tokens or -oidc-issuer"},
			{[]string{"-tls-cert", certificate, "-tls-key", key}, "-tokens or -oidc-issuer"},
			{[]string{"-plain-http"}, "-tokens or -oidc-issuer"},
			{[]string{"-tokens", tokens}, "-tls-cert and -tls-key, or -plain-http"},
		} {
			for _, roles := range []string{"edge", "payment"} {
				args := append([]string{"serve", "-listen", listen, "-roles", roles, "-brokers", "127.0.0.1:1"}, c.args...)
				if code, answer, log := simplecqrs(t, args...); code != 1 || answer != "" || !strings.Contains(log, c.want) {
					t.Errorf("%q: exit code %d, answer %q, log %s", args, code, answer, log)
				}
			}
		}
	}
	broker := startBroker(t, 2)
	for _, args := range [][]string{{"-plain-http"}, {"-tls-cert", certificate, "-tls-key", key}} {
		s := startServe(t, append([]string{"-listen", "0.0.0.0:0", "-roles", "payment", "-brokers", broker, "-tokens", tokens}, args...)...)
		s.log.said(t, "msg=ready")
	}
}

func TestLinksBeginAsServeWasTold(t *testing.T) {
	s := startServe(t, "-roles", "edge", "-query", "local", "-brokers", startBroker(t, 2), "-public-url", "https://shop.example/")
	s.log.said(t, "msg=ready")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/command", nil)
	check(t, err)
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	text, err := io.ReadAll(answer.Body)
	check(t, errors.Join(err, answer.Body.Close()))
	if !strings.Contains(string(text), `"_query": "https://shop.example/query/ORD-`) {
		t.Errorf("answered %s", text)
	}
}

func TestMistakesAboutWhoIsLetInAreToldBeforeAnythingStarts(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-oidc-issuer", "https://issuer.example"}, 2, "-oidc-issuer and -oidc-audience go together"},
		{[]string{"-tls-key", none}, 2, "-tls-cert and -tls-key go together"},
		{[]string{"-command-rate", "-1"}, 2, "flag -command-rate: want a number"},
		{[]string{"-public-url", "shop.example"}, 2, "flag -public-url: want a scheme, a host and perhaps a port"},
		{[]string{"-public-url", "https://shop.example/orders"}, 2, "flag -public-url: want a scheme, a host and perhaps a port"},
		{[]string{"-public-url", `https://shop"`}, 2, "flag -public-url: want a scheme, a host and perhaps a port"},
		{[]string{"-tokens", none}, 1, "no such file"},
		{[]string{"-tokens", write(t, "nonsense")}, 1, "line 1: want a token"},
		{[]string{"-tls-cert", none, "-tls-key", none}, 1, "no such file"},
		{[]string{"-oidc-issuer", "http://issuer.example", "-oidc-audience", "a"}, 1, "want https://host/path"},
		{[]string{"-kafka-sasl", "md5"}, 2, `flag -kafka-sasl: "md5" is unknown; known are plain, scram-sha-256, scram-sha-512`},
		{[]string{"-kafka-sasl", "plain"}, 2, "-kafka-sasl needs -kafka-user and -kafka-password-file"},
		{[]string{"-kafka-user", "ann"}, 2, "are for -kafka-sasl"},
		{[]string{"-kafka-ca", none}, 2, "are for -kafka-tls"},
		{[]string{"-kafka-tls", "-kafka-cert", none}, 2, "-kafka-cert and -kafka-key go together"},
		{[]string{"-kafka-tls", "-kafka-ca", none}, 1, "no such file"},
		{[]string{"-kafka-tls", "-kafka-ca", write(t, "nonsense")}, 1, "there is no certificate in it"},
		{[]string{"-kafka-sasl", "plain", "-kafka-user", "ann", "-kafka-password-file", write(t, "\n")}, 1, "there is no password in it"},
	} {
		args := append([]string{"serve", "-listen", "127.0.0.1:0", "-brokers", "127.0.0.1:1"}, c.args...)
		if code, answer, log := simplecqrs(t, args...); code != c.code || answer != "" || !strings.Contains(log, c.want) {
			t.Errorf("%q: exit code %d, answer %q, log %s", c.args, code, answer, log)
		}
	}
}

func TestAHealthcheckOfAnotherMachineWantsToKnowItsCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	for host, code := range map[string]int{"127.0.0.1": 0, "localhost": 0, "0.0.0.0": 1} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if got, _, log := simplecqrs(t, "healthcheck", "-url", "https://"+host+":"+port); got != code {
			t.Errorf("%s: exit code %d, log %s, %v", host, got, log, ctx.Err())
		}
		cancel()
	}
}
