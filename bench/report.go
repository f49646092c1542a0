package bench

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what was measured.
type Report struct {
	Orders  int
	Refused int             // orders whose command was not acknowledged
	Odd     int             // orders whose row is not the six events in their order
	Unseen  int             // orders whose end was not seen, in the view or in the read store
	Elapsed time.Duration   // from the first emit to the last row; 0 if none was seen
	CPU     time.Duration   // of this process, all roles and the measuring included
	Visible []time.Duration // to the row's end being visible in the view, ascending
	Stored  []time.Duration // to its being in the read store, ascending; nil without one
}

// Errors is the number of orders that went wrong.
func (r Report) Errors() int { return r.Refused + r.Odd + r.Unseen }

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	var t strings.Builder
	fmt.Fprintf(&t, "orders\t%d\n", r.Orders)
	fmt.Fprintf(&t, "errors\t%d", r.Errors())
	if r.Errors() > 0 {
		fmt.Fprintf(&t, "\t%d not acknowledged\t%d with other events\t%d not seen to end", r.Refused, r.Odd, r.Unseen)
	}
	fmt.Fprintf(&t, "\norders/s\t%s\n", r.throughput())
	fmt.Fprintf(&t, "command → row in the view\t%s\n", quantiles(r.Visible))
	if r.Stored != nil {
		fmt.Fprintf(&t, "command → row in the read store\t%s\n", quantiles(r.Stored))
	}
	fmt.Fprintf(&t, "CPU seconds an order\t%s\n", r.cpu())
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(aligned, t.String())
	return errors.Join(err, aligned.Flush())
}

// none stands for a figure that there is no order for.
const none = "–"

func (r Report) throughput() string {
	if r.Elapsed <= 0 {
		return none
	}
	return fmt.Sprintf("%.0f", float64(len(r.Visible))/r.Elapsed.Seconds())
}

func (r Report) cpu() string {
	if len(r.Visible) == 0 {
		return none
	}
	return fmt.Sprintf("%.6f", r.CPU.Seconds()/float64(len(r.Visible)))
}

func quantiles(sorted []time.Duration) string {
	at := func(percent int) string {
		if len(sorted) == 0 {
			return none
		}
		return sorted[rank(percent, len(sorted))-1].Round(100 * time.Microsecond).String()
	}
	return fmt.Sprintf("p50 %s\tp99 %s\tmax %s", at(50), at(99), at(100))
}

// rank gives the place of a percentile among n: the least, counted from 1, that at
// least so many percent do not lie above. So the p99 of fewer than a hundred is
// their maximum.
func rank(percent, n int) int { return max((percent*n+99)/100, 1) }
