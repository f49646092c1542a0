package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/embedded"
	"simplecqrs/node"
	"simplecqrs/order"
)

// parts are what can be looked at while it serves.
type parts struct {
	node   *node.Node
	broker *embedded.Broker
	store  *embedded.Store
}

const addresses = `
  the page    %[1]s/
  another     curl -X POST %[1]s/command
  this one    curl %[1]s/query/%[2]s
  its history curl %[1]s/query/%[2]s/history
  ready?      curl %[1]s/readyz
  metrics     curl %[1]s/metrics
  broker      %[3]s
  read store  %[4]s

serving; interrupt to end
`

// show places an order and tells what becomes of it, as queries see it.
func (s settings) show(ctx context.Context, w io.Writer, p parts) error {
	if err := p.node.WaitReady(ctx); err != nil {
		return err
	}
	base := "http://" + reachable(p.node.Addr())
	id, err := place(ctx, base)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "order", id); err != nil {
		return err
	}
	row, err := follow(ctx, w, p.node.Rows(), id)
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", id, err)
	}
	switch {
	case s.once && !row.Meta.Status.Ended():
		err = fmt.Errorf("order %s is %s", id, row.Meta.Status)
	case s.once:
		_, err = fmt.Fprintf(w, "%s\n", codecs.Answer(row))
	default:
		_, err = fmt.Fprintf(w, addresses, base, id, p.broker.Addrs()[0], p.store.URI())
	}
	return err
}

// reachable is where a listener can be found: one on all addresses is on loopback, too.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
}

func place(ctx context.Context, base string) (id string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/command", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	var accepted struct {
		ID string `json:"id"`
	}
	err = errors.Join(json.NewDecoder(answer.Body).Decode(&accepted), answer.Body.Close())
	if err != nil || accepted.ID == "" {
		return "", errors.Join(fmt.Errorf("POST /command answered %s", answer.Status), err)
	}
	return accepted.ID, nil
}

// follow prints the events of an order as they come, and gives its row at the end.
func follow(ctx context.Context, w io.Writer, rows edge.Rows, id string) (order.Row, error) {
	for told := 0; ; {
		row, err := rows.Await(ctx, id, func(r order.Row) bool { return len(r.Meta.History) > told })
		if err != nil {
			return row, err
		}
		for _, e := range row.Meta.History[told:] {
			line := fmt.Sprintf("%6d ms  %s", e.Time.Sub(row.Meta.CreatedAt).Milliseconds(), e.Type)
			if e.Reason != "" {
				line += ": " + e.Reason
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return row, err
			}
		}
		if row.Meta.Status.Ended() || row.Meta.Status == order.StatusStuck {
			return row, nil
		}
		told = len(row.Meta.History)
	}
}
