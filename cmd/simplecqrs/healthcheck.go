package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"simplecqrs/loopback"
)

const healthcheckSynopsis = `Exits with 0 if the address answers 200 within 5 s, else with 1 and the answer. Of a
process on this machine (127.0.0.1, localhost) any certificate is taken: nothing is
told to it, and the certificate names the machine as others know it.`

// healthcheck is for container images that have no other program to ask with.
func healthcheck(ctx context.Context, args []string, out output) error {
	f := newFlags("healthcheck", healthcheckSynopsis)
	where := define(f, "url", "http://127.0.0.1:8080", httpURL, "`URL` to ask; /readyz if it has no path")
	ca := f.String("cacert", "", "`file` with the certificates of those who vouch for the address, in PEM (default the system's)")
	if err := parse(f, args, out); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, *where, nil)
	if err != nil {
		return err
	}
	if r.URL.Path == "" || r.URL.Path == "/" {
		r.URL.Path = "/readyz"
	}
	client, err := httpClient(*ca)
	if err != nil {
		return err
	}
	if loopback.Name(r.URL.Hostname()) {
		client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

func httpURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("want http://host:port/path")
	}
	return s, nil
}
