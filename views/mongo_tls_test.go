package views

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simplecqrs/embedded"
)

func TestAStoreIsSpokenToByTLSWhereItsURISaysSo(t *testing.T) {
	store, err := embedded.StartStore("")
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	shown := httptest.NewTLSServer(nil) // for its certificate
	defer shown.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shown.Certificate().Raw}), 0o600))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: shown.TLS.Certificates})
	check(t, err)
	defer func() { check(t, l.Close()) }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go forward(c, store.Addr())
		}
	}()
	for query, says := range map[string]string{
		"?tls=true&tlsCAFile=" + ca: "",
		"?tls=true":                 "certificate signed by unknown authority",
		"":                          "server selection",
	} {
		m, err := OpenMongo("mongodb://" + l.Addr().String() + "/orders" + query)
		check(t, err)
		err = m.Ping(t.Context())
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("with %q it says %v", query, err)
		}
		check(t, m.Close(t.Context()))
	}
}

// forward passes a connection on to an address, until either side ends it.
func forward(c net.Conn, to string) {
	defer func() { _ = c.Close() }() // one side has by then
	d, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(d, c)
		_ = d.Close() // the other side is told by it, or gone
	}()
	_, _ = io.Copy(c, d)
}
