package order

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Filter says which orders a list holds; the zero Filter, all. Times count to the
// millisecond, which is what every store of rows keeps of them.
type Filter struct {
	Status  Status    // as shown
	Type    Type      // of the last event
	Since   time.Time // changed then or later
	Until   time.Time // changed before then
	Stalled time.Time // held, or without progress since before then
}

// Matches reports whether a row is one of those.
func (f Filter) Matches(r Row) bool {
	m := r.Meta
	idle := m.IdleSince()
	switch {
	case f.Status != "" && f.Status != m.Shown(),
		f.Type != "" && f.Type != r.Type,
		!f.Since.IsZero() && before(m.UpdatedAt, f.Since),
		!f.Until.IsZero() && !before(m.UpdatedAt, f.Until),
		!f.Stalled.IsZero() && !m.Held() && (idle.IsZero() || !before(idle, f.Stalled)):
		return false
	}
	return true
}

// before reports whether a is in an earlier millisecond than b.
func before(a, b time.Time) bool { return a.Before(b.Truncate(time.Millisecond)) }

// Held reports whether nothing moves the order until an operator does.
func (m Meta) Held() bool { return m.Status == StatusStuck || m.Parked != "" }

// IdleSince is since when an order that has not ended and is not paused has made no
// progress; zero for any other. One that is scheduled is idle from its start time on.
func (m Meta) IdleSince() time.Time {
	switch {
	case m.Paused, m.Status.Ended():
		return time.Time{}
	case m.Status == StatusScheduled && m.StartAt.After(m.UpdatedAt):
		return m.StartAt
	}
	return m.UpdatedAt
}

// Page says which part of a list is asked for: at most Limit orders from the first after a
// place on, the oldest or the newest first.
type Page struct {
	Newest bool
	After  Place
	Limit  int
}

// Place is one in a list, which goes by when the orders were placed, to the millisecond,
// and of the same millisecond by id. Neither changes while an order does, so that whoever
// follows a list from place to place sees each order once, whatever is written meanwhile.
// The zero Place is before all.
type Place struct {
	CreatedAt time.Time
	ID        string
}

// PlaceOf is where a row stands in a list.
func PlaceOf(r Row) Place {
	return Place{CreatedAt: r.Meta.CreatedAt.UTC().Truncate(time.Millisecond), ID: r.ID}
}

// String is the place as ParsePlace reads it.
func (p Place) String() string {
	if p == (Place{}) {
		return ""
	}
	return strconv.FormatInt(p.CreatedAt.UnixMilli(), 36) + "." + p.ID
}

// maxDigits are those of a place's time, in which all times of a row have room.
const maxDigits = 10

// ParsePlace reads a place.
func ParsePlace(text string) (Place, error) {
	number, id, _ := strings.Cut(text, ".")
	ms, err := strconv.ParseInt(number, 36, 64)
	p := Place{CreatedAt: time.UnixMilli(ms).UTC(), ID: id}
	if err != nil || len(strings.TrimPrefix(number, "-")) > maxDigits || !ValidID(id) || p.String() != text {
		return Place{}, &Error{Kind: Invalid, Detail: fmt.Sprintf("%q is no place in a list: want what a page gave as next", text)}
	}
	return p, nil
}
