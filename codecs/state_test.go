package codecs_test

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestAStateIsReadTolerantly(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        saga.State
	}{
		{"of nothing", `{}`, saga.State{}},
		{
			"of a later version", `{"id":"a","colour":"red","open":{"step":"MAIL","shape":1}}`,
			saga.State{OrderID: "a", Open: saga.Open{Step: order.Mail}},
		},
		{"with what is nothing", `{"id":null,"definition":null,"inputs":null,"open":null,"end":null}`, saga.State{}},
		{
			"that is not all UTF-8", "{\"id\":\"a\",\"inputs\":{\"MAIL\":\"\xff\"},\"open\":{\"cause\":\"\xff\"},\"parked\":\"\\ud800\"}",
			saga.State{OrderID: "a", Inputs: map[order.Step]order.JSON{order.Mail: order.JSON("\"\ufffd\"")}, Open: saga.Open{Cause: "\ufffd"}, Parked: "\ufffd"},
		},
		{
			"with inputs of any size and shape", `{"inputs":{"MAIL": [ 1e999999 , null ],"PAYMENT":null}}`,
			saga.State{Inputs: map[order.Step]order.JSON{order.Mail: order.JSON("[1e999999,null]"), order.Payment: order.JSON("null")}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(any(c.want), decoded(t, codecs.State{}, []byte(c.value))); diff != "" {
				t.Errorf("the state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStateCannotBeReadWith(t *testing.T) {
	for name, value := range map[string]string{
		"an id that is no text":      `{"id":1}`,
		"an attempt that is none":    `{"open":{"attempt":1.5}}`,
		"an attempt beyond all":      `{"open":{"attempt":99999999999999999999}}`,
		"steps that are none":        `{"definition":{"steps":"ORDER"}}`,
		"inputs that are no object":  `{"inputs":[]}`,
		"what is open and no object": `{"open":"MAIL"}`,
	} {
		v, err := codecs.State{}.Decode([]byte(value))
		if _, ok := v.(codecs.Malformed); err != nil || !ok {
			t.Errorf("%s gives %v, %v", name, v, err)
		}
	}
}

// full is a state of which no field is zero.
func full() saga.State {
	retry := saga.Retry{Attempts: 3, First: 1500 * time.Millisecond, Factor: 1.5, Cap: time.Minute}
	return saga.State{
		Revision: 7, OrderID: id, Status: order.StatusStuck, Paused: true, Unsettled: true, Foretold: true,
		Definition: saga.Definition{Version: 2, Deadline: 36 * time.Hour, Steps: []saga.Step{
			{Name: order.Detail, Timeout: time.Minute, Retry: retry, Sticks: true, Compensation: saga.Compensation{Possible: true, Timeout: time.Nanosecond, Retry: retry}},
			{Name: order.Mail, Timeout: time.Hour, Retry: saga.Retry{Attempts: 1}},
		}},
		Inputs: map[order.Step]order.JSON{order.Mail: order.JSON(`{"to":"<"}`)},
		Began:  "a request by another name",
		Work: []saga.Work{
			{Effect: saga.Undone, Attempts: 5, Round: 2, Before: 3, Undos: 4, UndosBefore: 1, Contested: true}, {Effect: saga.MayHave, Attempts: 1, Round: 1},
		},
		Open: saga.Open{
			Step: order.Mail, Undo: true, First: 1, Attempt: 2, Request: "r", Cause: "c", Waiting: true,
			Due: at(3).Add(time.Nanosecond), Rest: 90 * time.Minute,
		},
		Undoing:  saga.Undoing{Outcome: order.StatusCancelled, Reason: "why"},
		StartAt:  at(1),
		Deadline: at(2),
		Rest:     1,
		Arming:   9,
		Words:    []saga.Word{{Cause: "c", Type: order.OrderScheduled, Status: order.StatusScheduled, Reason: "why", Actor: "ann", StartAt: at(4)}, {Cause: "silent"}},
		Parked:   "panic",
		Waiting:  order.Waiting{"store.order/3/17"},
		Past:     17,
	}
}

func TestAFullStateHasAllThereIs(t *testing.T) {
	if zero := zeroFields(full()); len(zero) > 0 {
		t.Errorf("it leaves out %v", zero)
	}
}

// mustReadTheHead holds what is read of an encoded state without the rest against it.
func mustReadTheHead(t *testing.T, value []byte, s saga.State) {
	t.Helper()
	if got := codecs.RevisionOf(value); got != s.Revision {
		t.Errorf("the revision is %d, want %d: %s", got, s.Revision, value)
	}
	due, arming, open := codecs.TimerOf(value)
	wantDue, wantArming, wantOpen := s.Timer()
	if open != wantOpen {
		t.Fatalf("a timer is set: %v, want %v: %s", open, wantOpen, value)
	}
	if !open {
		return
	}
	if wantDue.UnixMicro() < 1 {
		wantDue = time.UnixMicro(1) // long ago is long ago
	}
	if arming != wantArming || !due.Equal(wantDue.Truncate(time.Microsecond)) {
		t.Errorf("the timer is %v for %d, want %v for %d: %s", due, arming, wantDue, wantArming, value)
	}
}

func TestTheTimerIsReadWithoutTheRest(t *testing.T) {
	running := decide(happy(nil)[:2]...)
	at := func(change func(*saga.State)) saga.State {
		s := running
		change(&s)
		return s
	}
	for name, s := range map[string]saga.State{
		"running":                running,
		"with a deadline before": at(func(s *saga.State) { s.Deadline = s.Open.Due.Add(-time.Microsecond) }),
		"with a deadline after":  at(func(s *saga.State) { s.Deadline = s.Open.Due.Add(time.Microsecond) }),
		"to the nanosecond":      at(func(s *saga.State) { s.Open.Due = s.Open.Due.Add(999) }),
		"in another zone":        at(func(s *saga.State) { s.Open.Due = s.Open.Due.In(time.FixedZone("", 7200)) }),
		"paused":                 at(func(s *saga.State) { s.Paused = true }),
		"stuck":                  at(func(s *saga.State) { s.Open.Due = time.Time{} }),
		"completed":              decide(happy(nil)...),
		"scheduled":              at(func(s *saga.State) { s.Status, s.StartAt = order.StatusScheduled, s.Open.Due }),
		"scheduled for no time":  at(func(s *saga.State) { s.Status = order.StatusScheduled }),
		"before all counting":    at(func(s *saga.State) { s.Open.Due = time.Unix(-5, 0).UTC() }),
		"with the largest of all": at(func(s *saga.State) {
			s.Revision, s.Arming, s.Open.Due = 1<<63-1, 1<<63-1, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		}),
		"that names another": at(func(s *saga.State) {
			s.OrderID, s.Open.Due = `x","arming":7,"timer":8`, time.Time{}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			value, err := codecs.State{}.Encode(s)
			if err != nil {
				t.Fatal(err)
			}
			mustReadTheHead(t, value, s)
		})
	}
	for _, none := range []string{
		"", "{}", "x", `{"revision":1}`, `{"revision":1,"arming":1}`, `{"revision":1,"arming":1,"id":"","timer":7}`,
		`{"arming":1,"timer":7}`, `{"revision":1,"id":"a","arming":1,"x":"`, `{"revision":1,"arming":1,"timer":`,
	} {
		if due, arming, open := codecs.TimerOf([]byte(none)); open && !due.Equal(time.UnixMicro(0)) {
			t.Errorf("%s has the timer %v, %d", none, due, arming)
		}
	}
}

// Many partitions read and write at the same time, of orders with several plans.
func TestPlansAreNotMixedUp(t *testing.T) {
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				s := full()
				s.Definition = saga.Default()
				s.Definition.Version = 1 + (n+i)%20
				value, err := codecs.State{}.Encode(s)
				if err != nil {
					t.Error(err)
					return
				}
				v, err := codecs.State{}.Decode(value)
				if got, ok := v.(saga.State); err != nil || !ok || !got.Definition.Equal(s.Definition) {
					t.Errorf("plan %d is read as %+v, %v", s.Definition.Version, v, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestADurationIsWrittenAsGoDoesAndLeftOutIfNone(t *testing.T) {
	s := full()
	s.Paused, s.Rest, s.Open.Rest = false, 0, 0
	s.Definition.Deadline = 0
	value, err := codecs.State{}.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{`"rest"`, `"deadline":"0s"`, `"0s"`} {
		if i := bytes.Index(value, []byte(absent)); i >= 0 {
			t.Errorf("it holds %s: %s", absent, value)
		}
	}
	if !bytes.Contains(value, []byte(`"first":"1.5s"`)) {
		t.Errorf("the first wait is missing: %s", value)
	}
}

// zeroFields lists the fields that are zero, at any depth; of a slice's elements, only
// those that are zero in each.
func zeroFields(v any) []string {
	var zero []string
	var walk func(path string, all []reflect.Value)
	walk = func(path string, all []reflect.Value) {
		switch of := all[0].Type(); {
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
			for i := range of.NumField() {
				fields := make([]reflect.Value, len(all))
				for n, one := range all {
					fields[n] = one.Field(i)
				}
				walk(fmt.Sprint(path, ".", of.Field(i).Name), fields)
			}
		case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
			var elements []reflect.Value
			for _, one := range all {
				for i := range one.Len() {
					elements = append(elements, one.Index(i))
				}
			}
			if len(elements) == 0 {
				zero = append(zero, path)
				return
			}
			walk(path+"[]", elements)
		default:
			for _, one := range all {
				if !one.IsZero() {
					return
				}
			}
			zero = append(zero, path)
		}
	}
	walk("", []reflect.Value{reflect.ValueOf(v)})
	return zero
}
