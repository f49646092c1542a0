package stream

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
)

func TestSettingsOfSecurityThatLeadNowhereAreRefused(t *testing.T) {
	for _, c := range []struct {
		s    Security
		good bool
	}{
		{Security{}, true},
		{Security{TLS: &tls.Config{}}, true},
		{Security{SASL: ScramSHA512, User: "ann", Password: "secret"}, true},
		{Security{SASL: "md5", User: "ann", Password: "secret"}, false},
		{Security{SASL: Plain, Password: "secret"}, false},
		{Security{SASL: Plain, User: "ann"}, false},
	} {
		client, err := Open(Config{Brokers: []string{"127.0.0.1:1"}, Security: c.s})
		if (err == nil) != c.good {
			t.Errorf("%+v: %v", c.s, err)
		}
		if err == nil {
			check(t, client.Close())
		}
	}
}

func TestAPasswordThatOthersCanReadIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		s    Security
		warn bool
	}{
		{Security{SASL: Plain}, true},
		{Security{SASL: Plain, TLS: &tls.Config{}}, false},
		{Security{SASL: ScramSHA256}, false},
		{Security{}, false},
	} {
		if c.s.SASL != "" {
			c.s.User, c.s.Password = "ann", "very-secret"
		}
		var log bytes.Buffer
		client, err := Open(Config{Brokers: []string{"127.0.0.1:1"}, Security: c.s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		check(t, err)
		check(t, client.Close())
		if warned := strings.Contains(log.String(), "for others to read"); warned != c.warn || strings.Contains(log.String(), c.s.Password) && c.s.Password != "" {
			t.Errorf("%s, TLS %v: logged %s", c.s.SASL, c.s.TLS != nil, log.String())
		}
	}
}
