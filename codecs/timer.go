package codecs

import (
	"errors"
	"fmt"

	"github.com/goccy/go-json"
)

// Timer is the codec of saga.timers' values: the arming number, a positive int64, of a
// deadline that has passed. The key says whose.
type Timer struct{}

type timer struct {
	Arming int64 `json:"arming"`
}

// Encode takes an int64.
func (Timer) Encode(value any) ([]byte, error) {
	arming, ok := value.(int64)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not an arming number", value)
	}
	return fmt.Appendf(nil, `{"arming":%d}`, arming), nil
}

// Decode gives an int64, or Malformed.
func (Timer) Decode(data []byte) (any, error) {
	clean, err := valid(data)
	var t timer
	if err == nil {
		err = json.Unmarshal(clean, &t)
	}
	if err == nil && t.Arming < 1 {
		err = errors.New("member \"arming\": want a number from 1")
	}
	if err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	return t.Arming, nil
}
