package stream

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// Each step is a life of a processor's table: what it recovers, then the offsets of
// its own writes, then the offset that the next life begins behind.
func TestTheOffsetOfAnOwnedTableStaysBeforeWhatAnotherWrote(t *testing.T) {
	oursOnly(t)
	type life struct {
		recovered, written []int64
		stored             int64
	}
	for _, c := range []struct {
		name  string
		lives []life
	}{
		{"all are its own", []life{{written: []int64{1, 2, 3}, stored: 3}, {written: []int64{4}, stored: 4}}},
		{"compaction left gaps in what it recovers", []life{{recovered: []int64{7, 12}, written: []int64{13, 14}, stored: 14}}},
		{"another wrote in between", []life{
			{written: []int64{1, 2, 19, 20}, stored: 2},
			{recovered: []int64{3, 18, 19, 20}, written: []int64{21}, stored: 21},
		}},
		{"another wrote first", []life{{recovered: []int64{5}, written: []int64{9}, stored: 5}}},
		{"an acknowledgement that comes late", []life{{written: []int64{1, 2, 3, 2}, stored: 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tables, err := openTables("")
			check(t, err)
			for _, l := range c.lives {
				s, err := ownedBuilder(tables.builder("role"), nil, nil)("table", 0)
				check(t, err)
				check(t, s.Open())
				for _, offset := range l.recovered {
					check(t, s.SetOffset(offset))
				}
				check(t, s.MarkRecovered())
				for _, offset := range l.written {
					check(t, s.SetOffset(offset))
				}
				check(t, s.Close())
				if got, err := s.GetOffset(-2); got != l.stored || err != nil {
					t.Errorf("the offset is %d, %v, want %d", got, err, l.stored)
				}
			}
			check(t, tables.close())
		})
	}
}

// broken is a storage whose disk is.
type broken struct{ storage.Storage }

var errDisk = errors.New("the disk is broken")

func (broken) Get(string) ([]byte, error) { return nil, errDisk }
func (broken) Set(string, []byte) error   { return errDisk }

func TestAHandlerIsNeverGivenNoValueInsteadOfAnError(t *testing.T) {
	oursOnly(t)
	o := &owned{Storage: broken{storage.NewMemory()}}
	if _, err := o.Get("k"); !errors.Is(err, errDisk) { // recovery has its own way with errors
		t.Errorf("while it recovers, Get gives %v", err)
	}
	check(t, o.MarkRecovered())
	for name, use := range map[string]func(){
		"Get": func() { _, _ = o.Get("k") },         // it does not return
		"Set": func() { _ = o.Set("k", []byte{1}) }, // nor does this
	} {
		func() {
			defer func() {
				if p := recover(); p != errDisk { //nolint:errorlint // the very value
					t.Errorf("%s panics with %v, want the error", name, p)
				}
			}()
			use()
		}()
	}
}

func number(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// What was written late is passed over by whoever recovers the table, and what it was
// written behind is written again, before anything else.
func TestAValueBehindWhichAnOlderWasWrittenIsWrittenAgain(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	var again list
	s, err := ownedBuilder(tables.builder("role"), number, func(topic, key string, value []byte, acked func(int64) error) {
		again.add(fmt.Sprint(topic, " ", key, "=", string(value)))
		check(t, acked(7))
	})("table", 0)
	check(t, err)
	check(t, s.Open())
	for i, record := range []struct{ key, value string }{
		{"late", "1"},
		{"late", "3"},
		{"late", "2"}, // the last is late
		{"mended", "3"},
		{"mended", "2"},
		{"mended", "3"},
		{"plain", "1"},
	} {
		check(t, s.Set(record.key, []byte(record.value)))
		check(t, s.SetOffset(int64(i)))
	}
	if got := again.get(); len(got) > 0 {
		t.Errorf("written while it recovers: %q", got)
	}
	check(t, s.MarkRecovered())
	if diff := cmp.Diff([]string{"table late=3"}, again.get()); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
	for key, want := range map[string]string{"late": "3", "mended": "3", "plain": "1"} {
		if got, err := s.Get(key); string(got) != want || err != nil {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
	check(t, s.SetOffset(8)) // a handler's, behind what was written again
	if got, err := s.GetOffset(-2); got != 8 || err != nil {
		t.Errorf("the offset is %d, %v, want 8", got, err)
	}
	check(t, s.Set("plain", []byte("0"))) // a handler knows what it does
	if got, err := s.Get("plain"); string(got) != "0" || err != nil {
		t.Errorf("what a handler set is %q, %v", got, err)
	}
	check(t, s.Close())
	check(t, tables.close())
}

func TestAnOlderValueNeverReplacesANewerInAView(t *testing.T) {
	oursOnly(t)
	s, update := storage.NewMemory(), Newest(number, nil)
	for _, step := range []struct{ value, want string }{
		{"3", "3"}, {"2", "3"}, {"3", "3"}, {"garbage", "3"}, {"4", "4"}, {"", ""}, {"1", "1"},
	} {
		var value []byte // nil for a tombstone
		if step.value != "" {
			value = []byte(step.value)
		}
		check(t, update(goka.UpdateContext(nil), s, "k", value))
		if got, err := s.Get("k"); string(got) != step.want || err != nil {
			t.Errorf("after %q it is %q, %v, want %q", step.value, got, err, step.want)
		}
	}
}
