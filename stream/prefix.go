package stream

import (
	"sort"
	"sync"
)

// prefix knows which records of a partition are finished. Records begin in the
// order of their offsets and finish in any; what may be committed is the
// finished prefix.
type prefix struct {
	mu   sync.Mutex
	open []mark // ascending by offset; the first is unfinished, if any
	next int64  // the offset after the finished prefix; 0 until one has finished
}

type mark struct {
	offset int64
	done   bool
}

// begin notes that a record is being handled. One that is read again, as after a
// reconnect, has begun already.
func (p *prefix) begin(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.open); offset < p.next || n > 0 && offset <= p.open[n-1].offset {
		return
	}
	p.open = append(p.open, mark{offset: offset})
}

// finish notes that the record is handled and gives the offset up to which all
// are: that of the first record which is not.
func (p *prefix) finish(offset int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := sort.Search(len(p.open), func(i int) bool { return p.open[i].offset >= offset })
	if i < len(p.open) && p.open[i].offset == offset {
		p.open[i].done = true
	}
	n := 0
	for n < len(p.open) && p.open[n].done {
		p.next = p.open[n].offset + 1
		n++
	}
	p.open = p.open[n:]
	return p.next
}

// finished gives the offset up to which all records are handled; 0 while none is.
func (p *prefix) finished() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}
