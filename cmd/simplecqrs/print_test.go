package main

import (
	"strings"
	"testing"

	"simplecqrs/order"
)

// narrow is a screen of few columns.
type narrow struct{ *transcript }

const columns = 40

func (narrow) width() int { return columns }

func TestLinesEndWhereTheScreenDoes(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", "", order.Event{Type: order.OrderStuck, Status: order.StatusStuck, Reason: strings.Repeat("ü", 99)}))
	n := narrow{newTranscript()}
	if code := run(t.Context(), []string{"order", "stuck", "-url", s.url}, output{answer: n, log: t.Output()}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text, _ := n.now()
	for line := range strings.Lines(text) {
		if got := len([]rune(line)); got > columns+1 || strings.Contains(line, "ORD") && !strings.HasSuffix(line, "…\n") && got == columns+1 {
			t.Errorf("line of %d: %s", got, line)
		}
	}
	if !strings.Contains(text, "…\n") {
		t.Errorf("nothing is cut:\n%s", text)
	}
}

func TestProgressIsShownOnAScreenAloneAndGoes(t *testing.T) {
	s := openShop(t)
	n := narrow{newTranscript()}
	var answer strings.Builder
	if code := run(t.Context(), []string{"order", "place", "-n", "20", "-url", s.url}, output{answer: &answer, log: n}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text, _ := n.now()
	if !strings.HasPrefix(text, eraseLine+"placed ") || !strings.HasSuffix(text, eraseLine) {
		t.Errorf("shown: %q", text)
	}
	if strings.Count(answer.String(), "\n") != 20 || strings.Contains(answer.String(), "placed") {
		t.Errorf("answer %s", &answer)
	}
	if _, _, log := s.order(t, "place", "-n", "20"); log != "" {
		t.Errorf("where nobody looks: %s", log)
	}
	n = narrow{newTranscript()}
	run(t.Context(), []string{"order", "place", "-wait", "1s", "-url", s.url}, output{answer: &answer, log: n})
	n.said(t, "waiting for the order's end, [01] s")
}
