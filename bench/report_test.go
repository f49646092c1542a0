package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func millis(n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(i+1) * time.Millisecond
	}
	return all
}

func TestPercentilesAreOrdersThatWere(t *testing.T) {
	for _, c := range []struct {
		n             int
		p50, p99, max string
	}{
		{0, "–", "–", "–"},
		{1, "1ms", "1ms", "1ms"},
		{2, "1ms", "2ms", "2ms"},
		{3, "2ms", "3ms", "3ms"},
		{10, "5ms", "10ms", "10ms"}, // one in ten is more than one in a hundred
		{99, "50ms", "99ms", "99ms"},
		{100, "50ms", "99ms", "100ms"},
		{101, "51ms", "100ms", "101ms"},
		{200, "100ms", "198ms", "200ms"},
	} {
		want := "p50 " + c.p50 + "\tp99 " + c.p99 + "\tmax " + c.max
		if got := quantiles(millis(c.n)); got != want {
			t.Errorf("of %d: %q, want %q", c.n, got, want)
		}
	}
}

func TestTheReportNamesEachFigureAndItsUnit(t *testing.T) {
	for _, c := range []struct {
		name string
		r    Report
		want string
	}{
		{
			"with a read store",
			Report{Orders: 200, Elapsed: 2 * time.Second, CPU: 90 * time.Millisecond, Visible: millis(200), Stored: millis(100)},
			`
orders                           200
errors                           0
orders/s                         100
command → row in the view        p50 100ms  p99 198ms  max 200ms
command → row in the read store  p50 50ms   p99 99ms   max 100ms
CPU seconds an order             0.000450
`,
		},
		{
			"without one, and with errors",
			Report{Orders: 10, Refused: 1, Odd: 2, Unseen: 3, Elapsed: time.Second, CPU: time.Second, Visible: millis(6)},
			`
orders                     10
errors                     6  1 not acknowledged  2 with other events  3 not seen to end
orders/s                   6
command → row in the view  p50 3ms  p99 6ms  max 6ms
CPU seconds an order       0.166667
`,
		},
		{
			"of nothing",
			Report{Orders: 10, Unseen: 10, CPU: time.Second, Stored: []time.Duration{}},
			`
orders                           10
errors                           10  0 not acknowledged  0 with other events  10 not seen to end
orders/s                         –
command → row in the view        p50 –  p99 –  max –
command → row in the read store  p50 –  p99 –  max –
CPU seconds an order             –
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := c.r.Print(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, "\n"+b.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}
