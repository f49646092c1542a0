package codecs

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-json"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// State is the codec of saga.order's values.
type State struct{}

type state struct {
	Revision   int64                          `json:"revision"`
	OrderID    string                         `json:"id"`
	Status     order.Status                   `json:"status"`
	Definition definition                     `json:"definition"`
	Inputs     map[order.Step]json.RawMessage `json:"inputs,omitempty"`
	Open       *open                          `json:"open,omitempty"`
	End        *end                           `json:"end,omitempty"`
	Parked     string                         `json:"parked,omitempty"`
}

type definition struct {
	Version int          `json:"version"`
	Steps   []order.Step `json:"steps"`
}

type open struct {
	Step    order.Step `json:"step"`
	Attempt int        `json:"attempt"`
	Request string     `json:"request"`
	Cause   string     `json:"cause,omitempty"`
}

type end struct {
	Outcome order.Status `json:"outcome"`
	Cause   string       `json:"cause"`
	Reason  string       `json:"reason,omitempty"`
}

// Encode takes a saga.State, or what it gave for one before, as Encoded.
func (State) Encode(value any) ([]byte, error) {
	if done, ok := value.(Encoded); ok {
		return done, nil
	}
	s, ok := value.(saga.State)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not a saga.State", value)
	}
	w := state{Revision: s.Revision, OrderID: s.OrderID, Status: s.Status, Definition: definition(s.Definition), Parked: s.Parked}
	if len(s.Inputs) > 0 {
		w.Inputs = make(map[order.Step]json.RawMessage, len(s.Inputs))
		for step, in := range s.Inputs {
			w.Inputs[step] = json.RawMessage(in)
		}
	}
	if s.Open != (saga.Open{}) {
		o := open(s.Open)
		w.Open = &o
	}
	if s.End != (saga.End{}) {
		e := end(s.End)
		w.End = &e
	}
	b, err := json.MarshalWithOption(w, json.DisableHTMLEscape()) // an input goes out as it came in
	if err != nil {
		return nil, fmt.Errorf("codecs: state of %s: %w", s.OrderID, err)
	}
	return b, nil
}

// Decode gives a saga.State, or Malformed.
func (State) Decode(data []byte) (any, error) {
	clean, err := valid(data)
	if err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	var w *state
	if err := json.Unmarshal(clean, &w); err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	if w == nil {
		return Malformed{Raw: data, Err: errNotJSON}, nil
	}
	s := saga.State{Revision: w.Revision, OrderID: w.OrderID, Status: w.Status, Definition: saga.Definition(w.Definition), Parked: w.Parked}
	if len(w.Inputs) > 0 {
		s.Inputs = make(map[order.Step]order.JSON, len(w.Inputs))
		for step, in := range w.Inputs {
			s.Inputs[step] = compact(in)
		}
	}
	if w.Open != nil {
		s.Open = saga.Open(*w.Open)
	}
	if w.End != nil {
		s.End = saga.End(*w.End)
	}
	return s, nil
}

// RevisionOf gives the revision of an encoded state without reading the rest of it; 0
// for what is none.
func RevisionOf(state []byte) int64 {
	digits, found := bytes.CutPrefix(state, []byte(`{"revision":`))
	if !found {
		return 0
	}
	return leadingNumber(digits)
}
