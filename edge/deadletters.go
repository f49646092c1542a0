package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// Letters are the open dead letters: records that a role could not handle, and that
// nobody has seen to.
type Letters interface {
	// List gives letters of an order and a role, if those are not empty, without their bytes;
	// from the first after one, at most so many, and after which there are more; empty
	// for none. Those of an order and a role stand in their turn.
	List(orderID, role, after string, limit int) (letters []codecs.Letter, next string, err error)
	// Get gives a letter without its bytes; an *order.Error NotFound if it is not open.
	Get(id string) (codecs.Letter, error)
	// Read gives those of some letters that are open, with their bytes, by their ids.
	Read(ctx context.Context, ids ...string) (map[string]codecs.Letter, error)
	// Turns gives the ids of the letters of a role for which an order waits, in their turn.
	Turns(orderID, role string) ([]string, error)
	// Watch gives what next becomes of a letter after the call: it is resolved, or its role
	// could not handle it once more. What has come is given even if the context has ended.
	// The caller calls leave when done.
	Watch(id string) (next func(context.Context) (codecs.Letter, error), leave func())
}

// anyResolution is the part of a route that names what is to become of a letter.
const anyResolution = "{verb:redrive|discard}"

// anyLetter is the part of a route that names a letter: no resolution can be taken for one.
const anyLetter = "{id:[^/]*~[^/]*}"

// A letter's id has slashes, which in a path would be parts of it.
func pathID(id string) string { return strings.ReplaceAll(id, "/", "~") }

func letterID(text string) (id string, err error) {
	id = strings.ReplaceAll(text, "~", "/")
	if _, ok := codecs.LetterNamed(id); !ok || strings.Contains(text, "/") {
		return "", fail(http.StatusBadRequest,
			"%q is no dead letter's id: want a role, a topic, a partition and an offset, such as saga~store.order~3~17", text)
	}
	return id, nil
}

// deadletter is a letter in a list.
type deadletter struct {
	ID        string    `json:"id"`
	Order     string    `json:"order"` // the record's key, whatever that is
	Role      string    `json:"role"`
	Reason    string    `json:"reason"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Written   time.Time `json:"written"`
	Parked    bool      `json:"parked"` // its order waits for it
	Tries     int       `json:"tries"`
}

func deadletterOf(l codecs.Letter) deadletter {
	return deadletter{
		pathID(l.ID()), l.Key, l.Role, l.Reason, l.Topic, l.Partition, l.Offset, l.Written, l.Parked, l.Tries,
	}
}

// letters shows the open letters: GET /deadletters.
func (e *edge) letters(w http.ResponseWriter, r *http.Request) error {
	q, err := parametersOf(r, "order", "role", "after", "limit")
	if err != nil {
		return err
	}
	limit, err := q.limit()
	if err != nil {
		return err
	}
	if err := q.filled(); err != nil {
		return err
	}
	all, next, err := e.Letters.List(q["order"], q["role"], q["after"], limit)
	if err != nil {
		return err
	}
	page := struct {
		Letters []deadletter `json:"letters"`
		Next    string       `json:"next,omitempty"` // the parameter after of the next page; none for the last
	}{make([]deadletter, len(all)), next}
	for i, l := range all {
		page.Letters[i] = deadletterOf(l)
	}
	return sendJSON(w, http.StatusOK, page)
}

// letter shows all there is of a letter: GET /deadletters/{id}.
func (e *edge) letter(w http.ResponseWriter, r *http.Request) error {
	id, err := letterID(mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	found, err := e.readLetters(r.Context(), id)
	if err != nil {
		return err
	}
	l, ok := found[id]
	if !ok {
		return codecs.NotOpen()
	}
	answer := struct {
		deadletter
		Headers map[string]string `json:"headers"`
		Value   *string           `json:"value,omitempty"` // as text, if it is some; neither for no value
		Bytes   []byte            `json:"valueBase64,omitempty"`
	}{deadletter: deadletterOf(l), Headers: make(map[string]string, len(l.Headers))}
	for name, value := range l.Headers {
		answer.Headers[name] = string(value)
	}
	if text := string(l.Value); l.Value != nil && utf8.ValidString(text) {
		answer.Value = &text
	} else {
		answer.Bytes = l.Value
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (e *edge) readLetters(ctx context.Context, ids ...string) (found map[string]codecs.Letter, err error) {
	err = reading(ctx, func(ctx context.Context) error {
		found, err = e.Letters.Read(ctx, ids...)
		return err
	})
	return found, err
}

// resolution is what a client asks for, of one letter or of several.
type resolution struct {
	discard bool
	reason  string
	actor   string
	wait    time.Duration
}

// resolutionIn reads it. Its body may have further members, that are known to the caller.
func resolutionIn(w http.ResponseWriter, r *http.Request, further ...string) (c resolution, all members, err error) {
	c.discard = mux.Vars(r)["verb"] == "discard"
	if c.wait, err = waitOf(r.Header); err != nil {
		return c, nil, err
	}
	body, err := bodyOf(w, r)
	if err != nil {
		return c, nil, err
	}
	if all, err = membersOf(body); err != nil {
		return c, nil, err
	}
	if err := all.known(append([]string{"reason", "actor"}, further...)...); err != nil {
		return c, nil, err
	}
	if c.reason, err = all.text("reason", maxReason); err != nil {
		return c, nil, err
	}
	if c.actor, err = all.text("actor", maxActor); err != nil {
		return c, nil, err
	}
	c.actor = actorOf(r, c.actor)
	return c, all, nil
}

// redrive has a letter's record handled once more, or let go of: POST
// /deadletters/{id}/redrive and /discard.
func (e *edge) redrive(w http.ResponseWriter, r *http.Request) error {
	c, _, err := resolutionIn(w, r)
	if err != nil {
		return err
	}
	id, err := letterID(mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	next, leave := e.Letters.Watch(id)
	defer leave()
	ctx, cancel := acting(r)
	defer cancel()
	outcome := map[string]error{}
	if e.resolveSome(ctx, c, []string{id}, e.turns(), outcome); outcome[id] != nil {
		return outcome[id]
	}
	answer := struct {
		ID       string            `json:"id"`
		Resolved codecs.Resolution `json:"resolved,omitempty"`
		Letter   string            `json:"_letter"`
	}{ID: pathID(id), Letter: e.base(r) + "/deadletters/" + pathID(id)}
	status := http.StatusAccepted
	if c.wait > 0 {
		ctx, cancel := waiting(r, c.wait)
		defer cancel()
		w.Header().Set("Preference-Applied", applied(c.wait))
		if l, err := next(ctx); err == nil {
			if err := failedAgain(l); err != nil {
				return err
			}
			status, answer.Resolved = http.StatusOK, l.Resolved
		}
	}
	return sendJSON(w, status, answer)
}

// failedAgain says why a letter is still open after its role has seen to it.
func failedAgain(l codecs.Letter) error {
	if l.Resolved != "" && l.Resolved != codecs.Stays {
		return nil
	}
	reason, _, _ := strings.Cut(l.Reason, "\n")
	return &order.Error{Kind: order.Conflict, Detail: "the letter stays: " + reason}
}

// prepared is what is to be written for a letter, unless it is known already that it has
// to wait for others, but those that were before it in the same request. Its role has the
// last word.
func (e *edge) prepared(l codecs.Letter, c resolution, t turns) (r codecs.Redrive, err error) {
	r = codecs.Redrive{Letter: l, Discard: c.discard, Actor: c.actor}
	r.Reason = c.reason
	if err := t.inTurn(l); err != nil {
		return r, err
	}
	if err := codecs.Redrivable(l); err != nil && !c.discard {
		return r, &order.Error{Kind: order.Conflict, Detail: fmt.Sprintf("no role would take the record, it can only be discarded: %v", err)}
	}
	if c.discard {
		r.Value, r.Headers = nil, nil
	}
	return r, nil
}

func (e *edge) write(ctx context.Context, r codecs.Redrive) error {
	log := e.Health.Logger.With(slog.String("letter", r.ID()), slog.String("order", r.Key), slog.Bool("discard", r.Discard),
		slog.String("actor", r.Actor), slog.String("reason", r.Reason))
	if err := e.Redrive(ctx, r); err != nil {
		log.ErrorContext(ctx, "the log has not acknowledged the redrive of a dead letter", slog.Any("error", err))
		return &order.Error{
			Kind:   order.Unavailable,
			Detail: "the log has not acknowledged this; it may still come to be, and may be asked for again",
		}
	}
	log.InfoContext(ctx, "a dead letter is asked to be redriven or discarded")
	return nil
}

// turns are the letters that have their turn, of the orders and roles that a request is
// about, less those that the request has seen to.
type turns struct {
	letters Letters
	left    map[whose][]string
}

type whose struct{ order, role string }

func (e *edge) turns() turns { return turns{e.Letters, map[whose][]string{}} }

// of is taken once, so that a request about a thousand letters of an order costs what they
// do and not their square.
func (t turns) of(l codecs.Letter) ([]string, error) {
	key := whose{l.Key, l.Role}
	left, known := t.left[key]
	if !known {
		var err error
		if left, err = t.letters.Turns(l.Key, l.Role); err != nil {
			return nil, err
		}
		t.left[key] = left
	}
	return left, nil
}

// seenTo has the next be the first.
func (t turns) seenTo(l codecs.Letter) {
	key := whose{l.Key, l.Role}
	if left := t.left[key]; len(left) > 0 && left[0] == l.ID() {
		t.left[key] = left[1:]
	}
}

// gone is seenTo for one that somebody else has seen to, and of which no more is known.
func (t turns) gone(id string) {
	for key, left := range t.left {
		if len(left) > 0 && left[0] == id {
			t.left[key] = left[1:]
		}
	}
}

func (t turns) inTurn(l codecs.Letter) error {
	if !l.Parked {
		return nil
	}
	left, err := t.of(l)
	if err != nil || len(left) == 0 || left[0] == l.ID() {
		return err
	}
	return &order.Error{Kind: order.Conflict, Detail: fmt.Sprintf(
		"the letters of an order have their turn, and %s goes first: redrive or discard that, or all with the filter {\"order\":%q}",
		pathID(left[0]), l.Key)}
}

// redriveMany sees to several letters: POST /deadletters/redrive and /discard.
func (e *edge) redriveMany(w http.ResponseWriter, r *http.Request) error {
	c, all, err := resolutionIn(w, r, "ids", "filter")
	if err != nil {
		return err
	}
	ids, next, err := e.lettersMeant(all)
	if err != nil {
		return err
	}
	ctx, cancel := waiting(r, c.wait)
	defer cancel()
	results := e.resolveAll(ctx, r, c, ids)
	if c.wait > 0 {
		w.Header().Set("Preference-Applied", applied(c.wait))
	}
	// What came behind while the client waits is meant as well.
	for all["filter"] != nil && next == "" && len(ids) > 0 && len(results) < maxBulk && ctx.Err() == nil && allOK(results) {
		if ids, next, err = e.lettersMeant(all); err != nil {
			return err
		}
		results = append(results, e.resolveAll(ctx, r, c, ids)...)
	}
	return sendResults(w, results, next)
}

func allOK(results []result) bool {
	return !slices.ContainsFunc(results, func(one result) bool { return one.Status != http.StatusOK })
}

// lettersMeant finds which letters a body means.
func (e *edge) lettersMeant(all members) (ids []string, next string, err error) {
	byIDs, err := meansIDs(all)
	if err != nil {
		return nil, "", err
	}
	if byIDs {
		ids, err = letterIDsIn(all["ids"])
		return ids, "", err
	}
	var filter members
	if err := json.Unmarshal(all["filter"], &filter); err != nil {
		return nil, "", fail(http.StatusBadRequest, "the body's member \"filter\" is no JSON object")
	}
	if err := filter.known("order", "role", "after"); err != nil {
		return nil, "", err
	}
	p := parameters{}
	for name := range filter {
		if p[name], err = filter.text(name, maxBody); err != nil {
			return nil, "", err
		}
	}
	if err := p.filled(); err != nil {
		return nil, "", err
	}
	if p["order"] == "" && p["role"] == "" {
		return nil, "", fail(http.StatusBadRequest, "the filter says nothing of the letters' order or role")
	}
	letters, next, err := e.Letters.List(p["order"], p["role"], p["after"], maxBulk)
	for _, l := range letters {
		ids = append(ids, l.ID())
	}
	return ids, next, err
}

func letterIDsIn(raw json.RawMessage) ([]string, error) {
	var ids []string
	if err := json.Unmarshal(raw, &ids); err != nil || len(ids) == 0 || len(ids) > maxBulk {
		return nil, fail(http.StatusBadRequest, "the body's member \"ids\" is not a list of 1 to %d ids", maxBulk)
	}
	seen := make(map[string]bool, len(ids))
	for i, text := range ids {
		id, err := letterID(text)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, fail(http.StatusBadRequest, "the letter %s stands twice", text)
		}
		seen[id], ids[i] = true, id
	}
	return ids, nil
}

// resolveAll sees to letters within the time that the log has for one, and if the client
// waits tells what became of them. Those that have their turn are taken in it, whatever
// order the client gave them in.
func (e *edge) resolveAll(wait context.Context, r *http.Request, c resolution, ids []string) []result {
	ctx, cancel := acting(r)
	defer cancel()
	watches := make([]func(context.Context) (codecs.Letter, error), len(ids))
	for i, id := range ids {
		next, leave := e.Letters.Watch(id)
		defer leave()
		watches[i] = next
	}
	outcome, t := make(map[string]error, len(ids)), e.turns()
	for some := range slices.Chunk(e.inSequence(ids, t), maxRead) {
		e.resolveSome(ctx, c, some, t, outcome)
	}
	results := make([]result, len(ids))
	for i, id := range ids {
		results[i] = e.resultOf(r, pathID(id), "", http.StatusAccepted, outcome[id])
	}
	if c.wait > 0 {
		e.awaitLetters(wait, r, results, watches)
	}
	return results
}

// maxRead bounds how many letters are in memory at once, for a request.
const maxRead = 16

// resolveSome sees to letters one after the other. They are written close together, as
// what the first leads to comes behind those that wait, and would wait as well.
func (e *edge) resolveSome(ctx context.Context, c resolution, ids []string, t turns, outcome map[string]error) {
	found, err := map[string]codecs.Letter{}, error(nil)
	if c.discard {
		for _, id := range ids {
			if l, gone := e.Letters.Get(id); gone == nil {
				found[id] = l
			}
		}
	} else {
		found, err = e.readLetters(ctx, ids...)
	}
	for _, id := range ids {
		l, ok := found[id]
		var one codecs.Redrive
		switch {
		case ctx.Err() != nil:
			outcome[id] = &order.Error{Kind: order.Unavailable, Detail: "the time was over before the letter's turn came"}
			continue
		case err != nil:
			outcome[id] = err
			continue
		case !ok:
			outcome[id] = codecs.NotOpen()
			t.gone(id)
			continue
		}
		if one, outcome[id] = e.prepared(l, c, t); outcome[id] != nil {
			continue
		}
		if outcome[id] = e.write(ctx, one); outcome[id] == nil {
			t.seenTo(l)
		}
	}
}

// inSequence sorts letters so that those of an order and a role stand in their turn.
func (e *edge) inSequence(ids []string, t turns) []string {
	group, place := map[string]int{}, map[string]int{}
	first := map[whose]int{}
	for i, id := range ids {
		group[id] = i
		l, err := e.Letters.Get(id)
		if err != nil || !l.Parked {
			continue
		}
		key := whose{l.Key, l.Role}
		if _, known := first[key]; !known {
			first[key] = i
			inTurn, err := t.of(l)
			if err != nil {
				continue // which is said of each
			}
			for n, one := range inTurn {
				place[one] = n
			}
		}
		group[id] = first[key]
	}
	return slices.SortedStableFunc(slices.Values(ids), func(a, b string) int {
		return cmp.Or(cmp.Compare(group[a], group[b]), cmp.Compare(place[a], place[b]))
	})
}

func (e *edge) awaitLetters(wait context.Context, r *http.Request, results []result, watches []func(context.Context) (codecs.Letter, error)) {
	for i, one := range results {
		if one.Status != http.StatusAccepted {
			continue
		}
		l, err := watches[i](wait)
		if err != nil {
			continue // the time is over, and it stays accepted; of the others more may be known
		}
		failed := failedAgain(l)
		results[i] = e.resultOf(r, one.ID, "", http.StatusOK, failed)
		if failed == nil {
			results[i].Resolved = l.Resolved
		}
	}
}
