package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// screen is a writer that shows what it is given to somebody.
type screen interface {
	io.Writer
	width() int // in characters; 0 if it is not known
}

// terminal is a screen of the machine.
type terminal struct{ *os.File }

func (t terminal) width() int {
	columns, _, err := term.GetSize(int(t.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// shown is a file as a screen, if it is one.
func shown(f *os.File) io.Writer {
	if term.IsTerminal(int(f.Fd())) {
		return terminal{f}
	}
	return f
}

// table is lines of cells.
type table [][]string

func (t table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range t {
		cells := make([]string, len(line))
		for i, cell := range line {
			cells[i] = plain(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) // nothing fails that writes to a string
	}
	_ = w.Flush() // nor does this
	return paddingAtEnds.ReplaceAllString(b.String(), "")
}

var paddingAtEnds = regexp.MustCompile(`(?m) +$`)

// show prints a table.
func (o output) show(t table) error { return o.print(o.fit(t.String())) }

// fit has lines end where the screen does, if it is one, so that a table stays one:
// what is long stands at the end.
func (o output) fit(text string) string {
	s, is := o.answer.(screen)
	if !is {
		return text
	}
	most := s.width()
	if most <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = cut(line, most)
	}
	return strings.Join(lines, "\n")
}

// cut is a text of at most so many characters.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func (o output) print(text string) error {
	_, err := io.WriteString(o.answer, text)
	return err
}

// plain is a text that does nothing to a terminal, in one line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ago is when something was, for people.
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return humanize.Time(t)
}

// progress is a line on a screen that tells how far something is, and goes when that
// is done.
type progress struct {
	out  output
	line func() string

	mu      sync.Mutex
	screen  io.Writer // nil: nobody looks
	stopped chan struct{}
	ended   sync.WaitGroup
}

// drawing is how often a progress is drawn.
const drawing = 200 * time.Millisecond

const eraseLine = "\r\x1b[K"

// progress shows how far something is until it is stopped, if there is somebody to look at it.
func (o output) progress(line func() string) *progress {
	p := &progress{out: o, line: line, stopped: make(chan struct{})}
	s, is := o.log.(screen)
	if !is {
		return p
	}
	p.screen = s
	p.ended.Go(func() {
		tick := time.NewTicker(drawing)
		defer tick.Stop()
		for {
			p.draw(func() string { return cut(line(), max(s.width()-1, 20)) })
			select {
			case <-tick.C:
			case <-p.stopped:
				p.draw(func() string { return "" })
				return
			}
		}
	})
	return p
}

// draw sets the line; a screen that cannot be written to shows nothing.
func (p *progress) draw(line func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.screen, eraseLine+line())
}

// print prints what is not of the line.
func (p *progress) print(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, is := p.out.answer.(screen); is && p.screen != nil {
		_, _ = io.WriteString(p.screen, eraseLine) // most likely the same one
	}
	return p.out.print(text)
}

func (p *progress) stop() {
	close(p.stopped)
	p.ended.Wait()
}

// waiting is the progress of a wait for something.
func (o output) waiting(what string) *progress {
	began := time.Now()
	return o.progress(func() string { return fmt.Sprintf("waiting for %s, %.0f s", what, time.Since(began).Seconds()) })
}
