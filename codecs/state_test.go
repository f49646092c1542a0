package codecs_test

import (
	"testing"

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
