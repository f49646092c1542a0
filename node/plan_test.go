package node

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
)

const shippingFile = "../docs/shipping.yaml"

const builtIn = `version: 1
steps:
  - {name: ORDER, participant: echo}
  - {name: PAYMENT, participant: {echo: {}}}
  - {name: MAIL, participant: echo}
`

func readPlan(t *testing.T, text string) Plan {
	t.Helper()
	p, err := ReadPlan("plan.yaml", []byte(text))
	check(t, err)
	return p
}

func TestWhatAPlanLeavesOutIsAsInTheBuiltInOne(t *testing.T) {
	p := readPlan(t, builtIn)
	if diff := cmp.Diff(saga.Default(), p.Definition); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	for _, s := range saga.Default().Names() {
		if p.Participants[s] != (processors.Echo{}) {
			t.Errorf("%s is done by %#v", s, p.Participants[s])
		}
	}
}

func TestWithoutAFileThePlanIsTheBuiltInOne(t *testing.T) {
	p, err := PlanFile("")
	check(t, err)
	if diff := cmp.Diff(saga.Default(), p.Definition); diff != "" || p.Participants != nil {
		t.Errorf("participants %v, definition (-want +got):\n%s", p.Participants, diff)
	}
	if _, err := PlanFile(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAPlanSaysAllThatASagaDefinitionHas(t *testing.T) {
	p := readPlan(t, `
version: 7
deadline: 36h
steps:
  - name: ORDER
    participant: echo
    onFailure: stick
    timeout: 1m30s
    retry: &short {attempts: 2, first: 3s, factor: 1.5, cap: 4s}
    compensation: {timeout: 7s, retry: *short}
  - name: GIFT
    participant: external
    retry: {attempts: 1}
    compensation: none
  - name: MAIL
    participant: echo
    compensation: {timeout: 1h}
`)
	short := saga.Retry{Attempts: 2, First: 3 * time.Second, Factor: 1.5, Cap: 4 * time.Second}
	usual := saga.Default().Steps[0]
	gift, mail := usual, usual
	gift.Name, gift.Retry.Attempts, gift.Compensation = "GIFT", 1, saga.Compensation{}
	mail.Name, mail.Compensation.Timeout = order.Mail, time.Hour
	want := saga.Definition{Version: 7, Deadline: 36 * time.Hour, Steps: []saga.Step{
		{
			Name: order.Detail, Timeout: 90 * time.Second, Retry: short, Sticks: true,
			Compensation: saga.Compensation{Possible: true, Timeout: 7 * time.Second, Retry: short},
		},
		gift, mail,
	}}
	if diff := cmp.Diff(want, p.Definition); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	if _, there := p.Participants["GIFT"]; there || len(p.Participants) != 2 {
		t.Errorf("participants %v, want none for the step of another service", p.Participants)
	}
	if diff := cmp.Diff(p.Definition, readPlan(t, p.String()).Definition); diff != "" {
		t.Errorf("printed and read again (-was +is):\n%s\n%s", diff, p)
	}
}

func TestTheExampleIsAPlan(t *testing.T) {
	p, err := PlanFile(shippingFile)
	check(t, err)
	want := saga.Default()
	want.Version, want.Deadline = 2, 24*time.Hour
	shipping := want.Steps[0]
	shipping.Name = "SHIPPING"
	want.Steps = slices.Insert(want.Steps, 2, shipping)
	if diff := cmp.Diff(want, p.Definition); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	for _, s := range want.Names() { // it is there to be tried
		if p.Participants[s] != (processors.Echo{}) {
			t.Errorf("%s is done by %#v", s, p.Participants[s])
		}
	}
}

// Each case breaks a plan that is sound; the mistakes are wanted without the file's name.
func TestEachMistakeInAPlanIsToldWithItsLine(t *testing.T) {
	const sound = `version: 2
deadline: 24h
steps:
  - name: ORDER
    participant: echo
  - name: SHIPPING
    participant: external
    timeout: 5m
    retry:
      attempts: 5
      first: 1s
      factor: 2
      cap: 1m
    compensation:
      timeout: 5m
      retry: {attempts: 2}
    onFailure: compensate
`
	readPlan(t, sound)
	for _, c := range []struct {
		name, replace, by string
		want              []string
	}{
		{"nothing at all", sound, "", []string{`1: the file is empty: want version and steps`}},
		{"only a comment", sound, "# a plan\n", []string{`1: the file is empty: want version and steps`}},
		{"another shape", sound, "\n- a\n", []string{`2: the plan: want a mapping of deadline, steps, version`}},
		{"no YAML", "factor: 2", "factor: 2: 3", []string{`12: no YAML: mapping values are not allowed in this context`}},
		{
			"a name in capitals before the right one", "steps:\n  - name: ORDER\n    participant: echo", "Steps: foo\nsteps:\n  - name: ORDER\n    participant: echo\n    timeout: -5s",
			[]string{`3: the plan: the member "Steps" is unknown; known are deadline, steps, version`, "7: step ORDER: timeout -5s: want more than nothing"},
		},
		{
			"of form in one step, and of meaning in another",
			"participant: echo\n  - name: SHIPPING\n    participant: external\n    timeout: 5m\n    retry:\n      attempts: 5",
			"participant: nobody\n  - name: SHIPPING\n    participant: external\n    timeout: 5m\n    retry:\n      attempts: 0",
			[]string{"5: step ORDER: participant: want one of echo, external, http, smtp", "10: step SHIPPING: retry: attempts 0: want 1 or more"},
		},
		{
			"a quote that does not end", "onFailure: compensate", `onFailure: "compensate`,
			[]string{`18: no YAML: found unexpected end of stream, while scanning a quoted scalar that begins in line 17`},
		},
		{"bytes that are no text", "name: SHIPPING", "name: \xff", []string{`6: no YAML: invalid leading UTF-8 octet (value: 255)`}},
		{"a second document", "onFailure: compensate", "onFailure: compensate\n---\nversion: 3", []string{`18: a second document: want one`}},
		{"no version", "version: 2", "", []string{`2: the plan: version is missing`}},
		{"a version that is no number", "version: 2", "version: two", []string{`1: version "two": want a whole number`}},
		{"a version that is none", "version: 2", "version: 0", []string{`1: definition version 0: want 1 or more`}},
		{"no deadline but its name", "deadline: 24h", "deadline:", []string{`2: deadline: want a number and its unit, such as 30s, 5m or 24h`}},
		{"a deadline in the past", "deadline: 24h", "deadline: -1h", []string{`2: deadline -1h0m0s: want none or more than nothing`}},
		{"no steps", sound, "version: 2\n", []string{`1: the plan: steps is missing`}},
		{"steps that are no list", sound, "version: 2\nsteps: ORDER\n", []string{`2: steps: want a list`}},
		{
			"an empty list of steps", sound, "version: 2\nsteps: []\n",
			[]string{`2: the first step must be ORDER: it is requested by the command itself`},
		},
		{
			"another first step", "name: ORDER", "name: FIRST",
			[]string{`4: the first step must be ORDER: it is requested by the command itself`},
		},
		{"a step that is none", "- name: ORDER", "- ORDER\n  - name: ORDER", []string{`4: a step: want a mapping of compensation, name, onFailure, participant, retry, timeout`}},
		{"a step without a name", "- name: SHIPPING\n    participant", "- participant", []string{`6: a step: name is missing`}},
		{"a name that is none", "name: SHIPPING", "name: [SHIPPING]", []string{`6: a step: name: want the step's name, such as SHIPPING`}},
		{
			"a name that no event can carry", "name: SHIPPING", "name: Shipping",
			[]string{`6: step "Shipping": want upper-case letters and digits, a letter first, and not the name of a row's other member`},
		},
		{"a step twice", "name: SHIPPING", "name: ORDER", []string{`6: step ORDER stands twice`}},
		{"a step with the name of a role", "name: SHIPPING", "name: SAGA", []string{`6: step SAGA: its role would be saga, which is another's name`}},
		{"an unknown member of the plan", "deadline", "dead-line", []string{`2: the plan: the member "dead-line" is unknown; known are deadline, steps, version`}},
		{"an unknown member of a step", "timeout: 5m\n    retry", "time: 5m\n    retry", []string{`8: step SHIPPING: the member "time" is unknown; known are compensation, name, onFailure, participant, retry, timeout`}},
		{"an unknown member of a retry", "factor", "Factor", []string{`12: step SHIPPING: retry: the member "Factor" is unknown; known are attempts, cap, factor, first`}},
		{"an unknown member of a compensation", "      timeout", "      tiemout", []string{`15: step SHIPPING: compensation: the member "tiemout" is unknown; known are retry, timeout`}},
		{"a merge of members", "factor: 2", "<<: {factor: 2}", []string{`12: step SHIPPING: retry: the member "<<" is unknown; known are attempts, cap, factor, first`}},
		{"a member twice", "factor: 2", "first: 2s", []string{`12: step SHIPPING: retry: first stands twice`}},
		{"a duration without a unit", "timeout: 5m\n    retry", "timeout: 5\n    retry", []string{`8: step SHIPPING: timeout "5": want a number and its unit, such as 30s, 5m or 24h`}},
		{"no time", "timeout: 5m\n    retry", "timeout: 0s\n    retry", []string{`8: step SHIPPING: timeout 0s: want more than nothing`}},
		{"a retry that is none", "retry: {attempts: 2}", "retry: 2", []string{`16: step SHIPPING: compensation: retry: want a mapping of attempts, cap, factor, first`}},
		{"attempts in parts", "attempts: 5", "attempts: 2.5", []string{`10: step SHIPPING: retry: attempts "2.5": want a whole number`}},
		{"no attempts", "attempts: 5", "attempts: 0", []string{`10: step SHIPPING: retry: attempts 0: want 1 or more`}},
		{"no first wait", "first: 1s", "first: 0s", []string{`11: step SHIPPING: retry: first wait 0s: want more than nothing`}},
		{"waits that shrink", "factor: 2", "factor: 0.5", []string{`12: step SHIPPING: retry: factor 0.5: want 1 or more`}},
		{"a factor without an end", "factor: 2", "factor: inf", []string{`12: step SHIPPING: retry: factor "inf": want a number`}},
		{"a longest wait shorter than the first", "cap: 1m", "cap: 1ms", []string{`13: step SHIPPING: retry: the longest wait 1ms is less than the first, 1s`}},
		{
			"a mistake with what is left out", "attempts: 2}", "first: 6m}",
			[]string{`16: step SHIPPING: compensation: retry: the longest wait 5m0s is less than the first, 6m0s`},
		},
		{"no time to undo", "      timeout: 5m", "      timeout: -5m", []string{`15: step SHIPPING: compensation: timeout -5m0s: want more than nothing`}},
		{"a compensation that is none", sound[strings.Index(sound, "compensation:"):], "compensation: never\n", []string{`14: step SHIPPING: compensation: want none, or a mapping of retry, timeout`}},
		{"an unknown way on", "onFailure: compensate", "onFailure: ignore", []string{`17: step SHIPPING: onFailure: want compensate, or stick to wait for an operator`}},
		{"no participant", "    participant: external\n", "", []string{`6: step SHIPPING: participant is missing`}},
		{"an unknown participant", "participant: external", "participant: {carrier: {}}", []string{`7: step SHIPPING: participant: want one of echo, external, http, smtp`}},
		{"two participants", "participant: external", "participant: {echo: {}, external: {}}", []string{`7: step SHIPPING: participant: want one of echo, external, http, smtp`}},
		{"settings where there are none", "participant: external", "participant: {external: {url: x}}", []string{`7: step SHIPPING: participant: external: want no settings`}},
		{"settings that are no mapping", "participant: external", "participant: {echo: 5}", []string{`7: step SHIPPING: participant: echo: want no settings`}},
		{"a participant that holds itself", "participant: external", "participant: &p {echo: *p}", []string{`7: step SHIPPING: participant: echo: want no settings`}},
		{"mistakes that the whole has", "factor: 2\n      cap: 1m", "factor: 0.5\n      cap: 1ms", []string{
			`12: step SHIPPING: retry: factor 0.5: want 1 or more`,
			`13: step SHIPPING: retry: the longest wait 1ms is less than the first, 1s`,
		}},
		{"mistakes by the dozen", "participant: external\n    timeout: 5m\n    retry:\n      attempts: 5", "participant: other\n    timeout: 5\n    retry:\n      attempts: x", []string{
			`7: step SHIPPING: participant: want one of echo, external, http, smtp`,
			`8: step SHIPPING: timeout "5": want a number and its unit, such as 30s, 5m or 24h`,
			`10: step SHIPPING: retry: attempts "x": want a whole number`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := strings.Replace(sound, c.replace, c.by, 1)
			if broken == sound {
				t.Fatalf("the plan does not say %s", c.replace)
			}
			p, err := ReadPlan("plan.yaml", []byte(broken))
			if err == nil {
				t.Fatalf("it is taken as\n%s", p)
			}
			want := "plan.yaml:" + strings.Join(c.want, "\nplan.yaml:")
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Each character of a plan is left out, doubled, and made each of those that mean
// something.
func TestAnyTextIsAPlanOrAMistakeWithItsLine(t *testing.T) {
	const text = `version: 2
steps:
  - &s {name: ORDER, participant: &p {echo: {}}, retry: {factor: 2}}
  - name: SHIPPING
    participant: external
    timeout: 5m
    compensation: none
    onFailure: "stick"
`
	mistake := regexp.MustCompile(`^plan\.yaml:([1-9]|10): .`)
	plans, mistakes := 0, 0
	for i := range text {
		for _, by := range []string{"", text[i:i+1] + text[i:i+1], "\n", " ", "\t", "-", ":", "*s", "*p", "&", "{", "]", "!", "#", "|", "?", "0", "\x00", "\xff"} {
			data := []byte(text[:i] + by + text[i+1:])
			p, err := ReadPlan("plan.yaml", data)
			if err != nil {
				mistakes++
				if !mistake.MatchString(err.Error()) {
					t.Errorf("%s\na mistake without a line: %v", data, err)
				}
				continue
			}
			plans++
			again, err := ReadPlan("plan.yaml", []byte(p.String()))
			if err != nil || !again.Definition.Equal(p.Definition) || again.String() != p.String() {
				t.Errorf("%s\nis printed as\n%sand that read as\n%s%v", data, p, again, err)
			}
		}
	}
	if plans < 100 || mistakes < 100 {
		t.Errorf("%d plans, %d mistakes: too few to say anything", plans, mistakes)
	}
}

var shipped = []order.Type{
	"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_COMPLETED",
	"SHIPPING_REQUESTED", "SHIPPING_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
}

// follows has a node follow a plan.
func follows(p Plan) func(*Config) {
	return func(c *Config) { c.Definition, c.Participants = p.Definition, p.Participants }
}

func TestAFourthStepNeedsTheFileAlone(t *testing.T) {
	p, err := PlanFile(shippingFile)
	check(t, err)
	w := newWorld(t)
	n := w.start(follows(p)).ready()
	id := n.place()
	row := n.ended(id)
	if diff := cmp.Diff(shipped, row.Events()); diff != "" || row.Meta.Status != order.StatusCompleted {
		t.Errorf("it is %s; events (-want +got):\n%s", row.Meta.Status, diff)
	}
	if _, body := n.get("/query/" + id); !strings.Contains(body, fmt.Sprintf(`"shipping":{"body":"%s_SHIPPING_COMPLETED"}`, id)) {
		t.Errorf("the row has no shipping: %s", body)
	}
	r, err := http.Post(n.url("/command"), "application/json", strings.NewReader(`{"shipping": {"to": "Ghent"}, "gift": {}}`))
	check(t, err)
	check(t, r.Body.Close())
	if r.StatusCode != http.StatusBadRequest {
		t.Errorf("an input of a step that is none: %s", r.Status)
	}
	r, err = http.Post(n.url("/command"), "application/json", strings.NewReader(`{"shipping": {"to": "Ghent"}}`))
	check(t, err)
	check(t, r.Body.Close())
	if r.StatusCode != http.StatusAccepted {
		t.Errorf("an input of the fourth step: %s", r.Status)
	}
}

func TestAnOrderEndsOnTheStepsThatItBeganWith(t *testing.T) {
	first := readPlan(t, builtIn)
	second, err := PlanFile(shippingFile)
	check(t, err)
	w := newWorld(t)
	before := w.start(follows(first), func(c *Config) {
		c.Roles = slices.DeleteFunc(AllRoles(first.Definition), func(r string) bool { return r == "payment" })
	}).ready()
	id := before.place()
	w.await("the payment to be asked for", func() bool {
		return slices.ContainsFunc(w.tableRows()[id].Events(), func(t order.Type) bool { return t == "PAYMENT_REQUESTED" })
	})
	before.stop()

	after := w.start(follows(second)).ready()
	w.wantHappy("begun under the plan before", id, after.ended(id))
	if row := after.ended(after.place()); !slices.Equal(row.Events(), shipped) {
		t.Errorf("begun under the plan now: %v", row.Events())
	}
	if row := w.tableRows()[id]; !slices.Equal(row.Events(), happy) {
		t.Errorf("the order before in %s: %v", codecs.ViewOrder, row.Events())
	}
}

func TestAStepIsDoneByAServiceOrAMailServer(t *testing.T) {
	t.Setenv("PAY_TOKEN", "secret")
	p := readPlan(t, `version: 2
steps:
  - {name: ORDER, participant: echo}
  - name: PAYMENT
    participant: {http: {url: "https://pay.example/charges", undo: "https://pay.example/refunds", timeout: 3s, bearer: "${PAY_TOKEN}"}}
  - {name: SHIPPING, participant: external}
  - name: MAIL
    participant: {smtp: {address: "localhost:25", from: shop@shop.example, tls: true}}
`)
	if _, ok := p.Participants[order.Payment].(*processors.HTTP); !ok {
		t.Errorf("the payment is done by %T", p.Participants[order.Payment])
	}
	if _, ok := p.Participants[order.Mail].(*processors.SMTP); !ok {
		t.Errorf("the mail is done by %T", p.Participants[order.Mail])
	}
	if does, found := p.Participants["SHIPPING"]; found {
		t.Errorf("the shipping is done by %T", does)
	}
}

func TestMistakesInAParticipantsSettings(t *testing.T) {
	for _, c := range []struct{ participant, want string }{
		{"http", "plan.yaml:5: step PAYMENT: participant: http: url is missing"},
		{`{http: {url: "ftp://pay.example"}}`, "plan.yaml:5: step PAYMENT: participant: http: url: want an address"},
		{`{http: {url: "https://pay.example", bearer: "${NOT_SET_ANYWHERE}"}}`, "plan.yaml:5: step PAYMENT: participant: http: bearer: the environment variable NOT_SET_ANYWHERE is not set"},
		{`{http: {url: "https://pay.example"}}`, "plan.yaml:5: step PAYMENT: its participant cannot undo what it does: give it undo, or say compensation: none"},
		{`{http: {url: "https://pay.example", undo: "https://pay.example/undo", timeout: -1s}}`, "plan.yaml:5: step PAYMENT: participant: http: timeout -1s: want more than nothing"},
		{`{smtp: {address: nowhere, from: a@b.example}}`, `plan.yaml:5: step PAYMENT: participant: smtp: address "nowhere": want host:port`},
	} {
		_, err := ReadPlan("plan.yaml", []byte("version: 2\nsteps:\n  - {name: ORDER, participant: echo}\n  - name: PAYMENT\n    participant: "+c.participant+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v\nwant %s", c.participant, err, c.want)
		}
	}
}
