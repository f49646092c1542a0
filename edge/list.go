package edge

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
)

const (
	// defaultPage and maxPage are how many orders a page of a list holds at most, if
	// the client does not say and whatever it says.
	defaultPage, maxPage = 50, 500
	// defaultIdle is for how long an order may make no progress before it counts as stuck.
	defaultIdle = 15 * time.Minute
)

// listed is an order in a list.
type listed struct {
	ID        string       `json:"id"`
	Status    order.Status `json:"status"`
	Type      order.Type   `json:"type"`
	Version   int64        `json:"version"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
	StartAt   time.Time    `json:"startAt,omitzero"`
	Parked    string       `json:"parked,omitempty"`
}

func listedOf(r order.Row) listed {
	return listed{
		ID: r.ID, Status: r.Meta.Shown(), Type: r.Type, Version: r.Meta.Version,
		CreatedAt: r.Meta.CreatedAt, UpdatedAt: r.Meta.UpdatedAt, StartAt: r.Meta.StartAt, Parked: r.Meta.Parked,
	}
}

// list shows orders, those that were placed first or last first: GET /query.
func (e *edge) list(w http.ResponseWriter, r *http.Request) error {
	q, err := parametersOf(r, append(filterNames, "sort", "limit")...)
	if err != nil {
		return err
	}
	f, after, err := q.filter("the parameter")
	if err != nil {
		return err
	}
	p := order.Page{After: after}
	if sort, sent := q["sort"]; sent {
		if p.Newest = sort == sortNewest; !p.Newest && sort != sortOldest {
			return fail(http.StatusBadRequest, "the parameter \"sort\" is %q; known are %s, %s", sort, sortOldest, sortNewest)
		}
	}
	return sendPage(e, w, r, q, f, p, listedOf)
}

const sortOldest, sortNewest = "oldest", "newest"

// stalled is an order that waits for an operator or does not go on, since when, and why.
type stalled struct {
	listed
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// duration is one of at least a second, as the description has it: hours, minutes and
// seconds, the first of them not zero.
var duration = regexp.MustCompile(`^([1-9][0-9]{0,5}h([0-9]{1,6}m)?([0-9]{1,6}(\.[0-9]{1,9})?s)?|` +
	`[1-9][0-9]{0,5}m([0-9]{1,6}(\.[0-9]{1,9})?s)?|[1-9][0-9]{0,5}(\.[0-9]{1,9})?s)$`)

// stuck shows the orders that an operator should look at: those that are stuck or
// parked, and those that have made no progress for a time: GET /query/stuck.
func (e *edge) stuck(w http.ResponseWriter, r *http.Request) error {
	q, err := parametersOf(r, "for", "after", "limit")
	if err != nil {
		return err
	}
	idle := defaultIdle
	if text, sent := q["for"]; sent {
		if idle, err = time.ParseDuration(text); err != nil || !duration.MatchString(text) {
			return fail(http.StatusBadRequest, "the parameter \"for\" is %q: want a duration of a second or more, such as 10m", text)
		}
	}
	_, after, err := q.filter("the parameter")
	if err != nil {
		return err
	}
	return sendPage(e, w, r, q, order.Filter{Stalled: now().Add(-idle)}, order.Page{After: after}, stalledOf)
}

func stalledOf(r order.Row) stalled {
	m := r.Meta
	s := stalled{listed: listedOf(r), Since: m.UpdatedAt}
	switch idle := m.IdleSince(); {
	case m.Parked != "":
		s.Reason = "parked: " + m.Parked
	case m.Status == order.StatusStuck:
		for _, one := range slices.Backward(m.History) {
			if one.Type == order.OrderStuck {
				s.Since, s.Reason = one.Time, one.Reason
				break
			}
		}
	default:
		s.Since = idle
		s.Reason = "no progress since " + idle.Format(time.RFC3339) + ": " + pending(r)
	}
	return s
}

// pending says what would be the next to happen to an order.
func pending(r order.Row) string {
	step, phase, _ := r.Type.Split()
	switch {
	case r.Meta.Status == order.StatusUnknown:
		return "nothing has begun the order"
	case r.Meta.Status == order.StatusScheduled:
		return "it was to begin then"
	case phase == order.Requested:
		return "waiting for " + string(order.TypeOf(step, order.Completed))
	case phase == order.CompensationRequested:
		return "waiting for " + string(order.TypeOf(step, order.Compensated))
	}
	return "nothing came after " + string(r.Type)
}

// sendPage answers with a page of a list.
func sendPage[T any](e *edge, w http.ResponseWriter, r *http.Request, q parameters, f order.Filter, p order.Page, show func(order.Row) T) (err error) {
	if p.Limit, err = q.limit(); err != nil {
		return err
	}
	rows, next, err := e.findPage(r.Context(), f, p)
	if err != nil {
		return err
	}
	page := struct {
		Orders []T    `json:"orders"`
		Next   string `json:"next,omitempty"` // the parameter after of the next page; none for the last
	}{make([]T, len(rows)), next}
	for i, row := range rows {
		page.Orders[i] = show(row)
	}
	return sendJSON(w, http.StatusOK, page)
}

// findPage gives a page, and the parameter after of the next one; empty if there is none.
func (e *edge) findPage(ctx context.Context, f order.Filter, p order.Page) (rows []order.Row, next string, err error) {
	err = reading(ctx, func(ctx context.Context) error {
		var place order.Place
		rows, place, err = e.Rows.List(ctx, f, p)
		next = place.String()
		return err
	})
	return rows, next, err
}

// parameters are those of a query, or the members of a filter.
type parameters map[string]string

// parametersOf reads a query's parameters, each of which may stand once.
func parametersOf(r *http.Request, known ...string) (parameters, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "the query cannot be read: %v", err)
	}
	p := make(parameters, len(q))
	for name, values := range q {
		switch {
		case !slices.Contains(known, name):
			return nil, fail(http.StatusBadRequest, "the parameter %q is unknown; known are %s", name, strings.Join(known, ", "))
		case len(values) > 1:
			return nil, fail(http.StatusBadRequest, "the parameter %q stands twice", name)
		}
		p[name] = values[0]
	}
	return p, nil
}

// filled refuses parameters that say nothing, which are more likely a mistake than meant.
func (p parameters) filled() error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] == "" {
			return fail(http.StatusBadRequest, "%q is empty: leave it out", name)
		}
	}
	return nil
}

// filterNames are what a filter is made of.
var filterNames = []string{"status", "type", "since", "until", "after"}

// filter reads which orders are meant, and from where on.
func (p parameters) filter(what string) (f order.Filter, after order.Place, err error) {
	known := make([]string, 0, len(order.Statuses()))
	for _, s := range order.Statuses() {
		known = append(known, string(s))
	}
	if text, sent := p["status"]; sent {
		if f.Status = order.Status(text); !slices.Contains(known, text) {
			return f, after, fail(http.StatusBadRequest, "%s \"status\" is %q; known are %s", what, text, strings.Join(known, ", "))
		}
	}
	if text, sent := p["type"]; sent {
		if f.Type = order.Type(text); text == "" {
			return f, after, fail(http.StatusBadRequest, "%s \"type\" is empty", what)
		}
	}
	if text, sent := p["since"]; sent {
		if f.Since, err = boundOf(fmt.Sprintf("%s \"since\"", what), text); err != nil {
			return f, after, err
		}
	}
	if text, sent := p["until"]; sent {
		if f.Until, err = boundOf(fmt.Sprintf("%s \"until\"", what), text); err != nil {
			return f, after, err
		}
	}
	if text, sent := p["after"]; sent {
		after, err = order.ParsePlace(text)
	}
	return f, after, err
}

// boundOf reads a time that bounds a filter. The zero Time would bound nothing, and an
// instant later means the same.
func boundOf(what, text string) (time.Time, error) {
	at, err := timeOf(what, text)
	if err == nil && at.IsZero() {
		at = at.Add(1)
	}
	return at, err
}

func (p parameters) limit() (int, error) {
	text, sent := p["limit"]
	if !sent {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage || strconv.Itoa(n) != text {
		return 0, fail(http.StatusBadRequest, "the parameter \"limit\" is %q: want a number from 1 to %d", text, maxPage)
	}
	return n, nil
}
