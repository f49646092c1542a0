package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simplecqrs/order"
)

func measurementOf(orders int, rate float64) measurement {
	return measurement{
		Config:  Config{Orders: orders, Rate: rate, Patience: time.Minute},
		visible: newClock(orders),
	}
}

// A generator that waits for the system before it places the next order measures
// the one order that met the stall, and leaves out all that would have.
func TestAStallShowsInEveryOrderThatWasDueMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			rate  = 1000
			stall = 4 * time.Second
			tick  = time.Second / rate
		)
		m := measurementOf(5000, rate)
		began := time.Now()
		refused, err := m.place(t.Context(), func(_ context.Context, e order.Event) error {
			<-time.After(max(stall-time.Since(began), 0))
			m.visible.see(ended(e.OrderID))
			return nil
		})
		if refused != 0 || err != nil {
			t.Fatalf("%d refused, %v", refused, err)
		}
		if took, want := time.Since(began).Round(tick), 4999*tick; took != want {
			t.Errorf("placing took %v, want %v, as the rate has it", took, want)
		}
		// The last fifth was due after the stall; before it each order was due a
		// tick after the other, and ended with the stall.
		for i, got := range m.visible.sorted() {
			if want := max(time.Duration(i-999)*tick, 0); got.Round(tick) != want {
				t.Fatalf("order %d from the fastest took %v, want %v", i, got, want)
			}
		}
	})
}

func TestACommandThatIsNotAcknowledgedIsAnErrorOnce(t *testing.T) {
	for _, rate := range []float64{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			m := measurementOf(10, rate)
			var n atomic.Int64
			refused, err := m.place(t.Context(), func(ctx context.Context, e order.Event) error {
				switch n.Add(1) {
				case 3:
					return errors.New("no")
				case 5: // accepted, and its acknowledgement lost
					m.visible.see(ended(e.OrderID))
					return errors.New("no answer")
				case 7:
					<-ctx.Done() // the brokers are away
					return ctx.Err()
				}
				m.visible.see(ended(e.OrderID))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := m.visible.wait(t.Context(), m.Patience); err != nil || time.Since(began) > 0 {
				t.Errorf("waits for %v for orders that will not come, %v", time.Since(began), err)
			}
			r := m.report()
			r.Refused = refused
			if refused != 3 || r.Errors() != 3 || len(r.Visible) != 7 {
				t.Errorf("rate %v: %d refused, %d errors, %d seen", rate, refused, r.Errors(), len(r.Visible))
			}
		})
	}
}

func TestPlacingEndsWithItsContext(t *testing.T) {
	for _, rate := range []float64{0, 0.001} {
		ctx, cancel := context.WithCancel(t.Context())
		m := measurementOf(5, rate)
		_, err := m.place(ctx, func(ctx context.Context, _ order.Event) error {
			cancel()
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
}
