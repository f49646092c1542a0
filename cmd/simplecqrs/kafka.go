package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"

	"simplecqrs/stream"
)

// kafka is what flags say of the brokers.
type kafka struct {
	flags                       *flag.FlagSet
	brokers                     *list
	tls                         *bool
	ca, certificate, key        *string
	mechanism, user, passwordAt *string
}

func kafkaFlags(f *flag.FlagSet) kafka {
	var mechanisms []string
	for _, m := range stream.Mechanisms() {
		mechanisms = append(mechanisms, string(m))
	}
	return kafka{
		flags:       f,
		brokers:     define(f, "brokers", list{"127.0.0.1:9092"}, listOf(address), "addresses of Kafka brokers, `host:port,…`; some are enough, they name the others"),
		tls:         f.Bool("kafka-tls", false, "speak TLS with the brokers"),
		ca:          f.String("kafka-ca", "", "`file` with the certificates of those who vouch for the brokers, in PEM (default the system's)"),
		certificate: f.String("kafka-cert", "", "`file` with the certificate to show to the brokers, in PEM"),
		key:         f.String("kafka-key", "", "`file` with its key, in PEM"),
		mechanism:   define(f, "kafka-sasl", "", oneOf(mechanisms...), "`mechanism` by which the brokers have us prove who we are: plain, scram-sha-256 or scram-sha-512"),
		user:        f.String("kafka-user", "", "`name` that the brokers know us by"),
		passwordAt:  f.String("kafka-password-file", "", "`file` with the password, alone on its line"),
	}
}

// check refuses flags that do not go together.
func (k kafka) check() error {
	switch {
	case !*k.tls && (*k.ca != "" || *k.certificate != "" || *k.key != ""):
		return errors.New("-kafka-ca, -kafka-cert and -kafka-key are for -kafka-tls")
	case *k.mechanism == "" && (*k.user != "" || *k.passwordAt != ""):
		return errors.New("-kafka-user and -kafka-password-file are for -kafka-sasl")
	case *k.mechanism != "" && (*k.user == "" || *k.passwordAt == ""):
		return errors.New("-kafka-sasl needs -kafka-user and -kafka-password-file")
	case (*k.certificate == "") != (*k.key == ""):
		return errors.New("-kafka-cert and -kafka-key go together")
	}
	return nil
}

// security reads what the flags lead to.
func (k kafka) security() (s stream.Security, err error) {
	if err := k.check(); err != nil {
		return s, refuse(k.flags, err)
	}
	if *k.tls {
		if s.TLS, err = clientTLS(*k.ca); err != nil {
			return s, err
		}
		if *k.certificate != "" {
			pair, err := tls.LoadX509KeyPair(*k.certificate, *k.key)
			if err != nil {
				return s, err
			}
			s.TLS.Certificates = []tls.Certificate{pair}
		}
	}
	if *k.mechanism != "" {
		s.SASL, s.User = stream.Mechanism(*k.mechanism), *k.user
		password, err := os.ReadFile(*k.passwordAt)
		if err != nil {
			return s, err
		}
		if s.Password = string(bytes.TrimRight(password, "\r\n")); s.Password == "" {
			return s, fmt.Errorf("%s: there is no password in it", *k.passwordAt)
		}
	}
	return s, nil
}

// clientTLS gives the settings of a client that trusts the certificates in a file, or
// the system's.
func clientTLS(ca string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: there is no certificate in it", ca)
	}
	return c, nil
}
