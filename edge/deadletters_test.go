package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/saga"
)

// box has open letters, the first that wait at the front, and plays what becomes of them.
type box struct {
	*world
	open    []codecs.Letter
	written []codecs.Redrive
	refused error
	// becomes says what the role makes of a redrive; nil: it is not heard.
	becomes func(codecs.Redrive) *codecs.Letter
	told    map[string]chan codecs.Letter
	lookups int // for turns
}

func newBox(t *testing.T, open ...codecs.Letter) *box {
	b := &box{world: newWorld(t), open: open, told: map[string]chan codecs.Letter{}}
	health := b.health()
	health.Registry = prometheus.NewRegistry()
	b.handler = New(Config{Emit: b.Emit, Rows: b, Definition: saga.Default(), Letters: letters{b}, Redrive: b.redrive, Health: health, Log: &b.feed})
	b.handler.(*router).Use(described(t))
	return b
}

type letters struct{ *box }

func (b *box) redrive(_ context.Context, r codecs.Redrive) error {
	if b.refused != nil {
		return b.refused
	}
	b.written = append(b.written, r)
	if b.becomes == nil {
		return nil
	}
	if l := b.becomes(r); l != nil {
		if l.Resolved != "" {
			b.open = slices.DeleteFunc(b.open, func(o codecs.Letter) bool { return o.ID() == l.ID() })
		}
		select {
		case b.told[l.ID()] <- *l:
		default:
		}
	}
	return nil
}

func (x letters) List(orderID, role, after string, limit int) (all []codecs.Letter, next string, err error) {
	for _, l := range x.open {
		if (orderID == "" || l.Key == orderID) && (role == "" || l.Role == role) && l.ID() > after {
			l.Value, l.Headers = nil, nil
			all = append(all, l)
		}
	}
	if len(all) > limit {
		return all[:limit], all[limit-1].ID(), nil
	}
	return all, "", nil
}

func (x letters) Get(id string) (codecs.Letter, error) {
	for _, l := range x.open {
		if l.ID() == id {
			return l, nil
		}
	}
	return codecs.Letter{}, codecs.NotOpen()
}

func (x letters) Read(_ context.Context, ids ...string) (map[string]codecs.Letter, error) {
	found := map[string]codecs.Letter{}
	for _, id := range ids {
		if l, err := x.Get(id); err == nil {
			found[id] = l
		}
	}
	return found, nil
}

func (x letters) Turns(orderID, role string) (ids []string, err error) {
	x.lookups++
	for _, l := range x.open {
		if l.Parked && l.Key == orderID && l.Role == role {
			ids = append(ids, l.ID())
		}
	}
	return ids, nil
}

func (x letters) Watch(id string) (next func(context.Context) (codecs.Letter, error), leave func()) {
	ch := make(chan codecs.Letter, 1)
	x.told[id] = ch
	return func(ctx context.Context) (codecs.Letter, error) {
		select {
		case l := <-ch:
			return l, nil
		default: // what is to come of it has come by now
			return codecs.Letter{}, context.DeadlineExceeded
		}
	}, func() { delete(x.told, id) }
}

func aLetter(offset int64) codecs.Letter {
	return codecs.Letter{
		Role: "saga", Topic: codecs.StoreOrder, Partition: 3, Offset: offset, Written: began, Tries: 1, Parked: true,
		Key: seedID, Reason: "panic: no", Value: []byte(`{"a":1}`), Headers: codecs.Headers{"ce_id": []byte("x")},
	}
}

func (b *box) send(path, body string, headers ...string) answer {
	b.t.Helper()
	return b.serve(b.request(http.MethodPost, "/deadletters/"+path, body, append(headers, "Content-Type", "application/json")...))
}

func redriven(r codecs.Redrive) *codecs.Letter {
	l := r.Letter
	l.Resolved = codecs.Redriven
	return &l
}

func discarded(r codecs.Redrive) *codecs.Letter {
	l := r.Letter
	l.Resolved = codecs.Discarded
	return &l
}

func failing(r codecs.Redrive) *codecs.Letter {
	l := r.Letter
	l.Reason = "panic: still no\ngoroutine"
	return &l
}

const first, second = "saga~store.order~3~7", "saga~store.order~3~9"

func TestOpenLettersAreListedAndShown(t *testing.T) {
	garbage := aLetter(9)
	garbage.Value, garbage.Parked = []byte("\xff"), false
	b := newBox(t, aLetter(7), garbage)
	shown := func(offset int, parked bool) string {
		return fmt.Sprintf(`"id":"saga~store.order~3~%d","order":"ORD-B384F","role":"saga","reason":"panic: no","topic":"store.order",`+
			`"partition":3,"offset":%[1]d,"written":"2026-01-02T03:04:05Z","parked":%v,"tries":1`, offset, parked)
	}
	b.serve(b.asked("/deadletters", "")).want(t, 200, `{"letters":[{`+shown(7, true)+`},{`+shown(9, false)+"}]}\n")
	b.serve(b.asked("/deadletters", "limit=1&order=ORD-B384F&role=saga")).want(t, 200,
		`{"letters":[{`+shown(7, true)+`}],"next":"saga/store.order/3/7"}`+"\n")
	b.serve(b.asked("/deadletters", "role=mail")).want(t, 200, `{"letters":[]}`+"\n")
	b.do(http.MethodGet, "/deadletters/"+first).want(t, 200, `{`+shown(7, true)+`,"headers":{"ce_id":"x"},"value":"{\"a\":1}"}`+"\n")
	b.do(http.MethodGet, "/deadletters/"+second).want(t, 200, `{`+shown(9, false)+`,"headers":{"ce_id":"x"},"valueBase64":"/w=="}`+"\n")
	b.do(http.MethodGet, "/deadletters/saga~store.order~3~8").wantProblem(t, 404, "no dead letter of this id is open: it was redriven or discarded, or never was one")
	b.do(http.MethodGet, "/deadletters/me~").wantProblem(t, 400,
		`"me~" is no dead letter's id: want a role, a topic, a partition and an offset, such as saga~store.order~3~17`)
	b.serve(b.asked("/deadletters", "since=now")).wantProblem(t, 400, `the parameter "since" is unknown; known are order, role, after, limit`)
}

func (b *box) asked(path, query string) *http.Request {
	r := b.request(http.MethodGet, path, "")
	r.URL.RawQuery = query
	return r
}

func TestALetterIsRedrivenByARecordInTheLog(t *testing.T) {
	b := newBox(t, aLetter(7))
	answered := `{"id":"` + first + `","_letter":"http://` + site + `/deadletters/` + first + `"}` + "\n"
	b.send(first+"/redrive", `{"actor":"ann","reason":"mended"}`).want(t, 202, answered)
	want := codecs.Redrive{Letter: aLetter(7), Actor: "ann"}
	want.Reason = "mended"
	if diff := cmp.Diff([]codecs.Redrive{want}, b.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	b.wantLogged(`letter=saga/store.order/3/7`)
	b.wantLogged(`actor=ann`)
	b.send(first+"/discard", "").want(t, 202, answered)
	want = codecs.Redrive{Letter: aLetter(7), Discard: true}
	want.Reason, want.Value, want.Headers = "", nil, nil
	if diff := cmp.Diff(want, b.written[1]); diff != "" {
		t.Errorf("discarded by (-want +got):\n%s", diff)
	}
}

func TestAClientMayWaitForWhatBecomesOfALetter(t *testing.T) {
	b := newBox(t, aLetter(7))
	b.becomes = failing
	b.send(first+"/redrive", "", "Prefer", "wait=5").wantProblem(t, 409, "the letter stays: panic: still no")
	b.becomes = func(r codecs.Redrive) *codecs.Letter {
		l := failing(r)
		l.Resolved = codecs.Stays
		return l
	}
	b.send(first+"/discard", "", "Prefer", "wait=5").wantProblem(t, 409, "the letter stays: panic: still no")
	b = newBox(t, aLetter(7))
	if a := b.send(first+"/redrive", "", "Prefer", "wait=5"); a.StatusCode != 202 || a.Header.Get("Preference-Applied") != "wait=5" {
		t.Errorf("when nobody hears it: %d, %v", a.StatusCode, a.Header)
	}
	b.becomes = redriven
	b.send(first+"/redrive", "", "Prefer", "wait=5").want(t, 200,
		`{"id":"`+first+`","resolved":"redriven","_letter":"http://`+site+`/deadletters/`+first+`"}`+"\n")
	b = newBox(t, aLetter(7))
	b.becomes = discarded
	b.send(first+"/discard", "", "Prefer", "wait=5").want(t, 200,
		`{"id":"`+first+`","resolved":"discarded","_letter":"http://`+site+`/deadletters/`+first+`"}`+"\n")
	if len(b.told) > 0 {
		t.Errorf("%d are still watched", len(b.told))
	}
}

func TestALetterThatCannotBeRedrivenIsRefused(t *testing.T) {
	large := aLetter(7)
	large.Value = make([]byte, codecs.MaxEvent+1)
	for name, c := range map[string]struct {
		open   []codecs.Letter
		path   string
		body   string
		header string
		status int
		detail string
	}{
		"one that is not open":     {nil, first + "/redrive", "", "", 404, "no dead letter of this id is open: it was redriven or discarded, or never was one"},
		"none to discard":          {nil, first + "/discard", "", "", 404, "no dead letter of this id is open: it was redriven or discarded, or never was one"},
		"one whose turn is later":  {[]codecs.Letter{aLetter(7), aLetter(9)}, second + "/redrive", "", "", 409, "the letters of an order have their turn, and " + first + ` goes first: redrive or discard that, or all with the filter {"order":"ORD-B384F"}`},
		"discarded before others":  {[]codecs.Letter{aLetter(7), aLetter(9)}, second + "/discard", "", "", 409, "the letters of an order have their turn, and " + first + ` goes first: redrive or discard that, or all with the filter {"order":"ORD-B384F"}`},
		"one that is too large":    {[]codecs.Letter{large}, first + "/redrive", "", "", 409, "no role would take the record, it can only be discarded: it has 262154 bytes and 6 in headers; 262144 and 65536 are all that a role takes"},
		"from another site":        {[]codecs.Letter{aLetter(7)}, first + "/redrive", "", "cross-site", 403, "a page of another site may not give commands"},
		"many from another site":   {[]codecs.Letter{aLetter(7)}, "redrive", `{"filter":{"role":"saga"}}`, "cross-site", 403, "a page of another site may not give commands"},
		"with an unknown member":   {[]codecs.Letter{aLetter(7)}, first + "/redrive", `{"why":1}`, "", 400, `the body's member "why" is unknown; known are reason, actor`},
		"many, but which":          {[]codecs.Letter{aLetter(7)}, "redrive", "", "", 400, `the body has to have one of the members "ids" and "filter"`},
		"all there are":            {[]codecs.Letter{aLetter(7)}, "redrive", `{"filter":{}}`, "", 400, "the filter says nothing of the letters' order or role"},
		"a filter of other things": {[]codecs.Letter{aLetter(7)}, "redrive", `{"filter":{"status":"x"}}`, "", 400, `the body's member "status" is unknown; known are order, role, after`},
		"one twice":                {[]codecs.Letter{aLetter(7)}, "redrive", `{"ids":["` + first + `","` + first + `"]}`, "", 400, "the letter " + first + " stands twice"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, c.open...)
			var headers []string
			if c.header != "" {
				headers = []string{"Sec-Fetch-Site", c.header}
			}
			b.send(c.path, c.body, headers...).wantProblem(t, c.status, c.detail)
			if len(b.written) > 0 {
				t.Errorf("written is %+v", b.written)
			}
		})
	}
}

func TestALogThatDoesNotAnswerIsNoReasonToThinkALetterRedriven(t *testing.T) {
	b := newBox(t, aLetter(7))
	b.refused = errors.New("away")
	b.send(first+"/redrive", "").wantProblem(t, 503, "the log has not acknowledged this; it may still come to be, and may be asked for again")
}

func TestLettersAreRedrivenInTheirTurn(t *testing.T) {
	alone := aLetter(3)
	alone.Parked, alone.Key = false, "\xff"
	b := newBox(t, aLetter(7), aLetter(9), alone)
	var got struct {
		Results []result
		More    bool
	}
	ids, err := json.Marshal([]string{second, "saga~store.order~3~3", "mail~store.order~0~1", first})
	check(t, err)
	b.send("redrive", `{"ids":`+string(ids)+`}`).decode(t, &got)
	var statuses []int
	for _, r := range got.Results {
		statuses = append(statuses, r.Status)
	}
	if !slices.Equal(statuses, []int{202, 202, 404, 202}) || got.Results[0].ID != second {
		t.Errorf("answered %+v", got)
	}
	var turns []int64
	for _, r := range b.written {
		turns = append(turns, r.Offset)
	}
	if !slices.Equal(turns, []int64{7, 9, 3}) {
		t.Errorf("written in the order %v", turns)
	}

	// One that does not follow upon those that are asked for has to wait.
	b = newBox(t, aLetter(7), aLetter(8), aLetter(9))
	b.send("redrive", `{"ids":["`+first+`","`+second+`"]}`).decode(t, &got)
	if got.Results[0].Status != 202 || got.Results[1].Status != 409 || !strings.Contains(got.Results[1].Error, "saga~store.order~3~8 goes first") {
		t.Errorf("answered %+v", got)
	}
}

// The turns of a thousand are looked up once, and what somebody else sees to meanwhile
// holds nobody up.
func TestALetterThatIsSeenToMeanwhileHoldsNoneUp(t *testing.T) {
	open := make([]codecs.Letter, 3*maxRead)
	ids := make([]string, len(open))
	for i := range open {
		open[i] = aLetter(int64(100 + i))
		ids[i] = pathID(open[i].ID())
	}
	b := newBox(t, open...)
	b.becomes = func(r codecs.Redrive) *codecs.Letter {
		if r.Offset == 100 { // when the next chunk is not read yet
			b.open = slices.DeleteFunc(b.open, func(l codecs.Letter) bool { return l.Offset == 100+maxRead })
		}
		return redriven(r)
	}
	body, err := json.Marshal(map[string]any{"ids": ids})
	check(t, err)
	var got struct{ Results []result }
	b.send("redrive", string(body)).decode(t, &got)
	for i, r := range got.Results {
		want := 202
		if i == maxRead {
			want = 404
		}
		if r.Status != want {
			t.Errorf("%d is answered %+v", i, r)
		}
	}
	if b.lookups != 1 {
		t.Errorf("turns were looked up %d times", b.lookups)
	}
}

// What the first of them leads to comes behind the others.
func TestWhoeverWaitsForAllOfAnOrderIsAnsweredForWhatComesBehind(t *testing.T) {
	b := newBox(t, aLetter(7), aLetter(8))
	later := true
	b.becomes = func(r codecs.Redrive) *codecs.Letter {
		if later {
			later = false
			b.open = append(b.open, aLetter(9))
		}
		return redriven(r)
	}
	var got struct{ Results []result }
	b.send("redrive", `{"filter":{"order":"`+seedID+`"}}`, "Prefer", "wait=5").decode(t, &got)
	if len(got.Results) != 3 || len(b.open) != 0 || !allOK(got.Results) {
		t.Errorf("answered %+v", got)
	}
	b = newBox(t, aLetter(7), aLetter(8))
	b.becomes = failing
	b.send("discard", `{"filter":{"order":"`+seedID+`"}}`, "Prefer", "wait=5").decode(t, &got)
	if len(got.Results) != 2 || got.Results[0].Status != 409 || got.Results[0].Error != "the letter stays: panic: still no" {
		t.Errorf("of those that fail again: %+v", got)
	}
}

func TestALetterOfWhichNothingIsHeardKeepsNothingFromThoseBehindIt(t *testing.T) {
	b := newBox(t, aLetter(7), aLetter(9))
	b.becomes = func(r codecs.Redrive) *codecs.Letter {
		if r.Offset == 7 {
			return nil
		}
		return redriven(r)
	}
	var got struct{ Results []result }
	b.send("redrive", `{"ids":["`+first+`","`+second+`"]}`, "Prefer", "wait=5").decode(t, &got)
	want := []result{{ID: first, Status: 202}, {ID: second, Status: 200, Resolved: codecs.Redriven}}
	if diff := cmp.Diff(want, got.Results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestAParameterThatSaysNothingIsRefused(t *testing.T) {
	b := newBox(t, aLetter(7))
	for _, name := range []string{"order", "role", "after"} {
		b.serve(b.asked("/deadletters", name+"=")).wantProblem(t, 400, fmt.Sprintf("%q is empty: leave it out", name))
	}
}
