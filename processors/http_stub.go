package processors

import "time"

type HTTPConfig struct {
	URL, UndoURL string
	Timeout      time.Duration
}

func NewHTTP(HTTPConfig) (Echo, error) { return Echo{}, nil }
