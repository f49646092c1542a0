package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// childEnv makes the test binary a process of ours instead, one that can be killed.
const childEnv = "STREAM_TEST_CHILD"

// child says what such a process does. What it prints, the test reads.
type child struct {
	Does    string
	Brokers []string
	Dir     string
	Group   string
	Args    []string
}

// deeds are what a child can set going, by name.
var deeds = map[string]func(*process, child) error{
	"forward": forward,
	"hammer":  hammer,
	"feed":    feed,
	"note":    note,
}

func TestMain(m *testing.M) {
	flag.Parse()
	if settings := os.Getenv(childEnv); settings != "" {
		if err := do(settings); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if *plain {
		patience = impatience
	}
	if err := flag.Set("test.parallel", "16"); err != nil { // the tests wait more than they work
		panic(err)
	}
	os.Exit(m.Run())
}

func do(settings string) error {
	var c child
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	go func() { // ends with the test, however that ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	p, err := newProcess(c.Brokers, c.Dir, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := deeds[c.Does](p, c); err != nil {
		return err
	}
	if err := p.running(context.Background()); err != nil {
		return err
	}
	fmt.Println("running")
	<-stop
	p.stop()
	return nil
}

// spawned is a child that runs.
type spawned struct {
	t   *testing.T
	cmd *exec.Cmd
	// said are the lines that it printed; they are complete once done is closed.
	said list
	done chan struct{}
}

func (w *world) spawn(c child) *spawned {
	w.t.Helper()
	c.Brokers = w.addrs
	settings, err := json.Marshal(c)
	check(w.t, err)
	exe, err := os.Executable()
	check(w.t, err)
	s := &spawned{t: w.t, cmd: exec.Command(exe, fmt.Sprintf("-plain=%v", *plain)), done: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	s.cmd.Stderr = w.t.Output()
	_, err = s.cmd.StdinPipe()
	check(w.t, err)
	out, err := s.cmd.StdoutPipe()
	check(w.t, err)
	check(w.t, s.cmd.Start())
	go func() {
		defer close(s.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.said.add(lines.Text())
		}
	}()
	w.t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // it is gone already if all went well
	return s
}

// stop has the process end itself.
func (s *spawned) stop() {
	s.t.Helper()
	check(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.done
	check(s.t, s.cmd.Wait())
}

// kill ends the process as a crash does and gives what it said until then.
func (s *spawned) kill() []string {
	s.t.Helper()
	check(s.t, s.cmd.Process.Kill())
	<-s.done
	if err := s.cmd.Wait(); s.cmd.ProcessState.Exited() {
		s.t.Fatalf("the process had ended by itself: %v", err)
	}
	return s.said.get()
}
