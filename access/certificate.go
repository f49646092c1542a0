package access

import (
	"context"
	"crypto/tls"
	"log/slog"
)

// ServerTLS gives the settings of a server that shows the certificate in two files,
// as they are at each handshake. The files are looked after until ctx ends.
func ServerTLS(ctx context.Context, certificate, key string, log *slog.Logger) (*tls.Config, error) {
	k, err := open(log, func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		return &pair, err
	}, certificate, key)
	if err != nil {
		return nil, err
	}
	go k.watch(ctx)
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.value(), nil },
	}, nil
}
