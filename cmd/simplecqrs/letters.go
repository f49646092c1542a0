package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const lettersSynopsis = `Talks to a running edge by HTTP about dead letters: events that a role could not
read or handle. An id of one is role~topic~partition~offset.

  list                               show letters
  show ID                            show a letter with its headers and value
  redrive ID…                        have the role that failed handle them again
  discard ID…                        have them passed over, for good

Each takes -h.
` + exitHelp

func deadLetters(ctx context.Context, args []string, out output) error {
	return group{"deadletters", lettersSynopsis, letterVerbs(), func(id string) error {
		if strings.Count(id, "~") < 3 {
			return fmt.Errorf("%q is no letter's id: want role~topic~partition~offset", id)
		}
		return nil
	}}.run(ctx, args, out)
}

func letterVerbs() map[string]verb {
	return map[string]verb{
		"list":    {"", "Shows letters that nobody has dealt with.", defineLetters},
		"show":    {" ID", "Shows a letter with its headers and value.", defineLetter},
		"redrive": dealing("redrive", "Has the role that failed handle letters again, those of an order in their sequence."),
		"discard": dealing("discard", "Has letters passed over for good."),
	}
}

// letter is a dead letter as the edge tells of it.
type letter struct {
	ID, Order, Role, Reason, Topic string
	Partition                      int
	Offset                         int64
	Written                        time.Time
	Parked                         bool
	Tries                          int
	Headers                        map[string]string
	Value                          *string
	ValueBase64                    string
}

// letterFlags are the flags that say which letters are meant.
func letterFlags(f *flag.FlagSet) func() map[string]string {
	of := f.String("order", "", "letters of the order with this `id`, or whatever else the record had for a key")
	role := f.String("role", "", "letters that this `role` failed at")
	return func() map[string]string { return said(map[string]string{"order": *of, "role": *role}) }
}

func defineLetters(f *flag.FlagSet) doing {
	filter, page := letterFlags(f), pageFlags(f, "letters")
	return func(ctx context.Context, c edgeClient, args []string) error {
		if len(args) > 0 {
			return wrongArguments("a list is not of letters that are named; show shows one")
		}
		var found struct {
			Letters []letter
			Next    string
		}
		return c.get(ctx, "/deadletters"+page(filter()), &found, func() error {
			t := table{letterHead}
			for _, l := range found.Letters {
				t = append(t, l.cells())
			}
			return c.page(t, found.Next)
		})
	}
}

var letterHead = []string{"LETTER", "ORDER", "WRITTEN", "PARKED", "TRIES", "REASON"}

func (l letter) cells() []string {
	return []string{l.ID, l.Order, ago(l.Written), yes(l.Parked), strconv.Itoa(l.Tries), l.Reason}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func defineLetter(*flag.FlagSet) doing {
	return func(ctx context.Context, c edgeClient, args []string) error {
		id, err := theOne(args, "letter")
		if err != nil {
			return err
		}
		a, err := c.ask(ctx, http.MethodGet, "/deadletters/"+url.PathEscape(id), nil, 0)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.out.print(string(a.body))
		}
		var l letter
		if err := json.Unmarshal(a.body, &l); err != nil {
			return err
		}
		t := table{
			{"letter", l.ID},
			{"order", l.Order},
			{"role", l.Role},
			{"reason", l.Reason},
			{"from", fmt.Sprintf("%s, partition %d, offset %d", l.Topic, l.Partition, l.Offset)},
			{"written", instant(l.Written)},
			{"parked", yes(l.Parked)},
			{"tries", strconv.Itoa(l.Tries)},
		}
		for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
			t = append(t, []string{"header " + name, l.Headers[name]})
		}
		if err := c.out.print(t.String() + "\n"); err != nil {
			return err
		}
		return c.out.print(l.text() + "\n")
	}
}

// text is a letter's value for people: JSON indented, what is no text as hex.
func (l letter) text() string {
	if l.Value == nil {
		raw, err := base64.StdEncoding.DecodeString(l.ValueBase64)
		if err != nil {
			return l.ValueBase64
		}
		return fmt.Sprintf("% x", raw)
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(*l.Value), "", "  ") != nil {
		return plain(*l.Value)
	}
	lines := strings.Split(b.String(), "\n")
	for i, one := range lines {
		lines[i] = plain(one)
	}
	return strings.Join(lines, "\n")
}

// dealing is a verb that does something with letters.
func dealing(name, synopsis string) verb {
	synopsis += "\nWhich is said by their ids, or by flags for all that are so."
	return verb{" [ID…]", synopsis, func(f *flag.FlagSet) doing {
		filter, dry, record := letterFlags(f), dryFlag(f), recordFlags(f)
		wait := waitFlag(f, "what comes of it")
		return func(ctx context.Context, c edgeClient, ids []string) error {
			set := filter()
			if len(ids) > 0 == (len(set) > 0) {
				return wrongArguments("name letters, or say by -order or -role which are meant")
			}
			if *dry {
				return c.preview(ctx, "/deadletters", ids, set)
			}
			return c.give(ctx, bulk{path: "/deadletters/", verb: name, wait: *wait}, record(), ids, set)
		}
	}}
}
