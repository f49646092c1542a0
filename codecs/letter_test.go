package codecs_test

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
)

func aLetter() codecs.Letter {
	return codecs.Letter{
		Role: "saga", Reason: "no", Topic: codecs.StoreOrder, Partition: 3, Offset: 7, Written: at(1),
		Key: id, Value: []byte("x"), Headers: codecs.Headers{"ce_id": []byte("y")},
	}
}

func TestALetterComesBackAsItWasWritten(t *testing.T) {
	for name, change := range map[string]func(*codecs.Letter){
		"as it is":                   func(*codecs.Letter) {},
		"of a record without value":  func(l *codecs.Letter) { l.Value = nil },
		"of an empty value":          func(l *codecs.Letter) { l.Value = []byte{} },
		"of bytes that are no text":  func(l *codecs.Letter) { l.Key, l.Value, l.Headers["\xff"] = "\xff", []byte("\x00\xff"), []byte("\xff") },
		"of a record without key":    func(l *codecs.Letter) { l.Key = "" },
		"of headers that have none":  func(l *codecs.Letter) { l.Headers = codecs.Headers{"a": nil} },
		"at the largest place":       func(l *codecs.Letter) { l.Partition, l.Offset = math.MaxInt32, math.MaxInt64 },
		"of a record without a time": func(l *codecs.Letter) { l.Written = time.Time{} },
	} {
		want := aLetter()
		change(&want)
		got, err := codecs.LetterOf(want.Key, want.Value, codecs.HeadersOfLetter(want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
}

// A record's timestamp is any number that its producer likes, and its letter is
// the last that is known of it.
func TestALetterCanBeReadWhateverTheRecordsTimestamp(t *testing.T) {
	for _, ms := range []int64{math.MinInt64, math.MaxInt64, -62_167_219_200_001, 253_402_300_800_000} {
		l := aLetter()
		l.Written = time.UnixMilli(ms)
		got, err := codecs.LetterOf(l.Key, l.Value, codecs.HeadersOfLetter(l))
		if err != nil || !got.Written.IsZero() {
			t.Errorf("written at %d it is read as of %v, %v", ms, got.Written, err)
		}
	}
}

func TestALettersReasonIsCutAtACharactersEnd(t *testing.T) {
	l := aLetter()
	l.Reason = strings.Repeat("x", 4095) + "é"
	if got, want := string(codecs.HeadersOfLetter(l)["deadletter_reason"]), strings.Repeat("x", 4095); got != want {
		t.Errorf("%d bytes become %d, want %d", len(l.Reason), len(got), len(want))
	}
}

// A letter that was sent back and failed again tells of the second time.
func TestALetterOfALetterTellsOfTheLastFailure(t *testing.T) {
	first := aLetter()
	second := aLetter()
	second.Role, second.Offset, second.Headers = "aggregate", 9, codecs.HeadersOfLetter(first)
	before := maps.Clone(second.Headers)
	got, err := codecs.LetterOf(id, second.Value, codecs.HeadersOfLetter(second))
	if err != nil {
		t.Fatal(err)
	}
	want := second
	want.Headers = first.Headers
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the letter (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, second.Headers); diff != "" {
		t.Errorf("the record's own headers (-before +after):\n%s", diff)
	}
}

func TestTheSameFailureMetAgainIsTheSameLetter(t *testing.T) {
	l := aLetter()
	again := aLetter()
	again.Reason, again.Value, again.Headers = "still no", []byte("z"), nil
	if l.ID() != again.ID() {
		t.Errorf("the ids are %s and %s", l.ID(), again.ID())
	}
	for name, change := range map[string]func(*codecs.Letter){
		"role": func(l *codecs.Letter) { l.Role = "mail" }, "topic": func(l *codecs.Letter) { l.Topic = "x" },
		"partition": func(l *codecs.Letter) { l.Partition++ }, "offset": func(l *codecs.Letter) { l.Offset++ },
	} {
		other := aLetter()
		change(&other)
		if l.ID() == other.ID() {
			t.Errorf("with another %s it is still %s", name, l.ID())
		}
	}
}

func TestARecordIsNoLetterWith(t *testing.T) {
	for name, c := range map[string]struct{ header, value string }{
		"no partition":          {"deadletter_partition", ""},
		"a partition too large": {"deadletter_partition", "2147483648"},
		"no offset":             {"deadletter_offset", "first"},
		"no time":               {"deadletter_written", "noon"},
	} {
		h := codecs.HeadersOfLetter(aLetter())
		h[c.header] = []byte(c.value)
		if l, err := codecs.LetterOf(id, nil, h); err == nil {
			t.Errorf("%s gives %+v", name, l)
		}
	}
}
