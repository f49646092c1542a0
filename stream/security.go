package stream

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"
	saslscram "github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/xdg-go/scram"
)

// Security says how brokers are spoken to, and who says that he speaks.
type Security struct {
	TLS *tls.Config // nil: in plain
	// SASL is a mechanism, and empty where nobody asks who we are.
	SASL           Mechanism
	User, Password string
}

// Mechanism is a way to prove who one is, by SASL.
type Mechanism string

// The mechanisms. Plain sends the password to the broker as it is.
const (
	Plain       Mechanism = "plain"
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
)

// Mechanisms are all that there are.
func Mechanisms() []Mechanism { return []Mechanism{Plain, ScramSHA256, ScramSHA512} }

func (s Security) check() error {
	switch s.SASL {
	case "":
		return nil
	case Plain, ScramSHA256, ScramSHA512:
	default:
		return fmt.Errorf("stream: the SASL mechanism %q is unknown", s.SASL)
	}
	if s.User == "" || s.Password == "" {
		return errors.New("stream: SASL needs a user and a password")
	}
	return nil
}

// kgo gives the settings of the clients that are not sarama's.
func (s Security) kgo() (opts []kgo.Opt) {
	if s.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(s.TLS))
	}
	if m := s.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

func (s Security) mechanism() sasl.Mechanism {
	scram := saslscram.Auth{User: s.User, Pass: s.Password}
	switch s.SASL {
	case Plain:
		return saslplain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
	case ScramSHA256:
		return scram.AsSha256Mechanism()
	case ScramSHA512:
		return scram.AsSha512Mechanism()
	}
	return nil
}

// sarama writes the same into the settings of the others.
func (s Security) sarama(to *sarama.Config) {
	if s.TLS != nil {
		to.Net.TLS.Enable, to.Net.TLS.Config = true, s.TLS
	}
	if s.SASL == "" {
		return
	}
	n := &to.Net.SASL
	n.Enable, n.User, n.Password = true, s.User, s.Password
	switch s.SASL {
	case Plain:
		n.Mechanism = sarama.SASLTypePlaintext
	case ScramSHA256:
		n.Mechanism = sarama.SASLTypeSCRAMSHA256
		n.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: sha256.New} }
	case ScramSHA512:
		n.Mechanism = sarama.SASLTypeSCRAMSHA512
		n.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: sha512.New} }
	}
}

// explained adds to an error of a client what it may be about. Brokers may also cut
// the connection of one that they do not know, and say nothing.
func (s Security) explained(err error) error {
	var told *kgo.ErrFirstReadEOF // which explains itself
	switch {
	case s.SASL == "" || errors.As(err, &told):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, io.EOF):
		return fmt.Errorf("%w (do the brokers know the user %s, with this password, for %s?)", err, s.User, s.SASL)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("%w (is %s a mechanism of the brokers?)", err, s.SASL)
	}
	return err
}

// scramClient is what sarama wants of SCRAM, which it leaves to others.
type scramClient struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

// Begin implements sarama.SCRAMClient.
func (c *scramClient) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}
