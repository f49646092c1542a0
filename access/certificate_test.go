package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pair makes a certificate for loopback and its key.
func pair(t *testing.T, serial int64) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	check(t, err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", signed), encode("PRIVATE KEY", der)
}

func TestACertificateIsShownAnewWhenItsFilesChangeAndLiveConnectionsGoOn(t *testing.T) {
	dir, j := t.TempDir(), newJournal()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert1, key1 := pair(t, 1)
	cert2, key2 := pair(t, 2)
	rewrite(t, certFile, cert1)
	rewrite(t, keyFile, key1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	settings, err := ServerTLS(ctx, certFile, keyFile, j.logger())
	check(t, err)

	more := make(chan string)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for text := range more { // a stream
			_, _ = io.WriteString(w, text)
			w.(http.Flusher).Flush()
		}
	}))
	s.Listener = tls.NewListener(s.Listener, settings)
	s.Config.TLSConfig = nil
	s.Start() // as edge.Serve does: the listener has the TLS
	defer s.Close()
	address := s.Listener.Addr().String()
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM([]byte(cert1))
	trust.AppendCertsFromPEM([]byte(cert2))
	shown := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trust})
		check(t, err)
		defer func() { check(t, c.Close()) }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	got := make(chan *http.Response)
	go func() {
		r, err := client.Get("https://" + address)
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		got <- r
	}()
	more <- "before"
	stream, open := <-got
	if !open {
		return
	}
	defer func() { check(t, stream.Body.Close()) }()
	if stream.ProtoMajor != 2 {
		t.Errorf("it speaks %s", stream.Proto)
	}
	read := func(want string) {
		t.Helper()
		b := make([]byte, len(want))
		if _, err := io.ReadFull(stream.Body, b); err != nil || string(b) != want {
			t.Errorf("the stream has %q, %v; want %q", b, err, want)
		}
	}
	read("before")
	if n := shown(); n != 1 {
		t.Errorf("shows certificate %d first", n)
	}

	rewrite(t, certFile, cert2) // whose key is yet to come
	j.said(t, "cannot be used")
	if n := shown(); n != 1 {
		t.Errorf("shows certificate %d while the pair does not fit", n)
	}
	rewrite(t, keyFile, key2)
	j.said(t, "read anew")
	if n := shown(); n != 2 {
		t.Errorf("shows certificate %d once both are there", n)
	}
	more <- "after"
	read("after")
	close(more)

	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestACertificateThatIsNoneIsToldOfAtTheStart(t *testing.T) {
	cert, _ := pair(t, 1)
	_, other := pair(t, 2)
	for _, c := range [][2]string{{cert, other}, {"", ""}, {"nonsense", other}} {
		if _, err := ServerTLS(t.Context(), file(t, c[0]), file(t, c[1]), newJournal().logger()); err == nil {
			t.Errorf("%q is taken", c)
		}
	}
	if _, err := ServerTLS(t.Context(), os.DevNull+"none", file(t, other), newJournal().logger()); err == nil {
		t.Error("a file that is not there is read")
	}
}
