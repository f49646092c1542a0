package views

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"simplecqrs/order"
)

// plainly gives a value of the store with its documents as maps.
func plainly(v any) any {
	switch v := v.(type) {
	case bson.D:
		m := map[string]any{}
		for _, e := range v {
			m[e.Key] = plainly(e.Value)
		}
		return m
	case bson.A:
		all := make([]any, len(v))
		for i, one := range v {
			all[i] = plainly(one)
		}
		return all
	}
	return v
}

func TestADocumentIsReadableByPeople(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	row := rowOf("ORD-B384F", 6)
	row.Outputs["SHIPPING"] = order.JSON(`{"by":["sea","rail"],"km":8.5,"tons":3,"paid":false,"note":null}`)
	check(t, m.Write(patient(t), []order.Row{row}))
	var kept bson.D
	check(t, bson.Unmarshal(m.kept(t, row.ID), &kept))
	want := map[string]any{"_id": "ORD-B384F", "order": map[string]any{
		"version": int64(6), "type": "MAIL_COMPLETED", "status": "completed", "held": false,
		"createdAt": bson.NewDateTimeFromTime(row.Meta.CreatedAt), "updatedAt": bson.NewDateTimeFromTime(row.Meta.UpdatedAt),
		"events": []any{
			"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
			"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
		},
		"detail":  map[string]any{"body": "ORD-B384F_ORDER_COMPLETED"},
		"payment": map[string]any{"body": "ORD-B384F_PAYMENT_COMPLETED"},
		"mail":    map[string]any{"body": "ORD-B384F_MAIL_COMPLETED"},
		"shipping": map[string]any{
			"by": []any{"sea", "rail"}, "km": 8.5, "tons": int64(3), "paid": false, "note": nil,
		},
		"row": string(encoded(t, row)),
	}}
	if diff := cmp.Diff(want, plainly(kept)); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestADocumentTellsSinceWhenAnOrderThatShouldGoOnHasNot(t *testing.T) {
	for n, want := range map[int]int{5: 1, 6: 0} { // it runs, and is complete
		d, err := documentOf(rowOf(newID(), n))
		check(t, err)
		got := 0
		for _, e := range d {
			if e.Key == "idleSince" {
				got++
			}
		}
		if got != want {
			t.Errorf("after event %d it does %d times", n, got)
		}
	}
}

// $max compares member by member.
func TestTheVersionIsTheFirstMemberOfADocument(t *testing.T) {
	d, err := documentOf(rowOf(newID(), 6))
	check(t, err)
	if d[0].Key != "version" {
		t.Errorf("it is %s", d[0].Key)
	}
}

func TestWhatAStoreMayRefuseStandsInTheRowAlone(t *testing.T) {
	for output, stands := range map[string]bool{
		`{"a":[{"b":[1]}]}`:                                          true,
		`{"a":1,"b":{"a":2}}`:                                        true,
		`[-9223372036854775808,9223372036854775808]`:                 true,
		`"` + strings.Repeat("x", 60_000) + `"`:                      true,
		`"` + strings.Repeat("x", maxShown) + `"`:                    false,
		strings.Repeat(`{"a":`, 31) + `{}` + strings.Repeat(`}`, 31): true,
		strings.Repeat(`{"a":`, 32) + `{}` + strings.Repeat(`}`, 32): false,
		`[[]]`:              false,
		`{"a":{"b":[[1]]}}`: false,
		`1e400`:             false,
		`{"a":"\u0000"}`:    false,
		`{"a\u0000":0}`:     false,
		`{"$a":0}`:          false,
		`{"a":{"$b":0}}`:    false,
		`{"a.b":0}`:         false,
		`{"":0}`:            false,
		`{"a":1,"a":1}`:     false,
		`[{"a":1,"a":1}]`:   false,
	} {
		row := rowOf("ORD-B384F", 3)
		row.Outputs[order.Detail] = order.JSON(output)
		d, err := documentOf(row)
		check(t, err)
		got := map[string]bool{}
		for _, e := range d {
			got[e.Key] = true
		}
		if got["detail"] != stands {
			t.Errorf("%.80s stands there: %v", output, got["detail"])
		}
	}
}

// Of a row as large as its record may be, all of small numbers, BSON would make
// more than the 16 MB that MongoDB takes.
func TestTheLargestRowMakesADocumentThatTheStoreTakes(t *testing.T) {
	row := rowOf(newID(), 6)
	for _, step := range strings.Split("ABCDEFGH", "") {
		row.Outputs[order.Step(step)] = order.JSON("[" + strings.Repeat("0,", 125_000) + "0]")
	}
	d, err := documentOf(row)
	check(t, err)
	data, err := bson.Marshal(d)
	check(t, err)
	if len(data) > 4<<20 {
		t.Errorf("it has %d bytes", len(data))
	}
}

func TestNoOutputTakesThePlaceOfADocumentsOwnMember(t *testing.T) {
	row := rowOf(newID(), 6)
	outputs("VERSION", `1`, "STATUS", `1`, "ROW", `1`, "CREATEDAT", `1`)(&row)
	d, err := documentOf(row)
	check(t, err)
	members := map[string]int{}
	for _, e := range d {
		members[e.Key]++
	}
	for name, n := range members {
		if n > 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	if members["createdat"] != 1 {
		t.Error("an output whose name is free is missing")
	}
}
