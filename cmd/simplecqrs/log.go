package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
)

const (
	formatText = "text"
	formatJSON = "json"
)

// logging is how a process logs.
type logging struct {
	format *string
	level  *slog.Level
}

func logFlags(f *flag.FlagSet) logging {
	return logging{
		define(f, "log-format", formatText, oneOf(formatText, formatJSON), "`form` of the log's lines: text or json"),
		define(f, "log-level", slog.LevelInfo, level, "`how` much is logged: debug, which has what goka does, info, warn or error; PUT /monitor/log changes it at run time"),
	}
}

// level reads a level, in small letters or capitals.
func level(s string) (l slog.Level, err error) {
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return l, fmt.Errorf("%q is no level: want debug, info, warn or error", s)
	}
	return l, nil
}

// open gives the logger, and what sets its level from then on.
func (l logging) open(to io.Writer) (*slog.Logger, *slog.LevelVar) {
	threshold := new(slog.LevelVar)
	threshold.Set(*l.level)
	options := &slog.HandlerOptions{Level: threshold}
	if *l.format == formatJSON {
		return slog.New(slog.NewJSONHandler(to, options)), threshold
	}
	return slog.New(slog.NewTextHandler(to, options)), threshold
}
