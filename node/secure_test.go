package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// secured are brokers that speak TLS and ask who one is: those that KAFKA_SECURE_BROKERS
// names, whose certificate is in KAFKA_CA and who know the user of KAFKA_USER and
// KAFKA_PASSWORD by each mechanism; or one of our own.
func secured(t *testing.T, m stream.Mechanism) (brokers []string, s stream.Security) {
	t.Helper()
	if addrs := os.Getenv("KAFKA_SECURE_BROKERS"); addrs != "" {
		ca, err := os.ReadFile(os.Getenv("KAFKA_CA"))
		check(t, err)
		return strings.Split(addrs, ","), stream.Security{
			TLS: trusting(ca), SASL: m, User: os.Getenv("KAFKA_USER"), Password: os.Getenv("KAFKA_PASSWORD"),
		}
	}
	s = stream.Security{SASL: m, User: "shop", Password: "pässword, with = in it"}
	certificate, ca := certified(t)
	s.TLS = trusting(ca)
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond),
		kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(string(m)), s.User, s.Password),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
	check(t, err)
	t.Cleanup(k.Close)
	return k.ListenAddrs(), s
}

// certified gives the certificate that httptest shows on loopback, also in PEM.
func certified(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func trusting(ca []byte) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool}
}

func TestAnOrderGoesThroughBrokersThatAskWhoWeAre(t *testing.T) {
	for _, m := range stream.Mechanisms() {
		t.Run(string(m), func(t *testing.T) {
			brokers, security := secured(t, m)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client, err := stream.Open(stream.Config{Brokers: brokers, Security: security})
			check(t, err)
			check(t, client.CreateTopics(ctx, processors.Topics(partitions, 1)))
			check(t, client.Close())
			w := &world{t: t, brokers: brokers}
			n := w.start(func(c *Config) {
				c.Query, c.Security = QueryLocal, security
				c.Roles = slices.DeleteFunc(AllRoles(saga.Default()), func(r string) bool { return r == views.RoleSink })
			}).ready()
			id := n.place()
			w.wantHappy("the table", id, n.ended(id))
		})
	}
}

func TestBrokersThatDoNotKnowUsAreToldOfAtTheStart(t *testing.T) {
	for _, m := range stream.Mechanisms() {
		brokers, right := secured(t, m)
		for name, c := range map[string]struct {
			security stream.Security
			says     string
		}{
			"the password is wrong":      {stream.Security{TLS: right.TLS, SASL: m, User: right.User, Password: "another"}, "do the brokers know the user " + right.User + ", with this password, for " + string(m)},
			"the certificate is unknown": {stream.Security{TLS: &tls.Config{}, SASL: m, User: right.User, Password: right.Password}, "certificate signed by unknown authority"},
			"TLS is missing":             {stream.Security{SASL: m, User: right.User, Password: right.Password}, "TLS"},
			"SASL is missing":            {stream.Security{TLS: right.TLS}, "is SASL missing?"},
		} {
			t.Run(string(m)+": "+name, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				check(t, err)
				defer func() { check(t, l.Close()) }()
				began := time.Now()
				_, err = Start(t.Context(), Config{Brokers: brokers, Query: QueryLocal, Roles: []string{RoleEdge}, Listener: l, Security: c.security})
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("it says %v", err)
				}
				if took := time.Since(began); took > checkTimeout/2 {
					t.Errorf("after %v", took)
				}
			})
		}
	}
}
