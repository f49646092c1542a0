package order

import "time"

// Filter says which orders a list holds; the zero Filter, all. Times count to the
// millisecond, which is what every store of rows keeps of them.
type Filter struct {
	Status  Status    // as shown
	Type    Type      // of the last event
	Since   time.Time // changed then or later
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
