package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// planted gives the code with a bug in it, and a seed that catches it.
func planted(t *testing.T, name string) (seed uint64, code Code) {
	t.Helper()
	i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
	if i < 0 {
		t.Fatalf("no bug is called %q", name)
	}
	seed, _ = bugs[i].catch(t)
	code = Real()
	bugs[i].plant(&code)
	return seed, code
}

// caught are bugs that remember nothing from one run to the next.
var caught = []string{
	"cancelling a paused order is lost",
	"a participant does what it has undone",
	"what may have taken effect is not undone",
	"the oldest step is undone first",
}

func TestAFailingSeedIsLeftWithTheFaultsThatItTakes(t *testing.T) {
	for _, name := range caught {
		t.Run(name, func(t *testing.T) {
			seed, code := planted(t, name)
			without := Minimise(seed, 0, code)
			result := Run(seed, without, code, nil)
			if len(result.Found) == 0 {
				t.Errorf("seed %d no longer fails without %q", seed, without)
			}
			if drawn := Run(seed, 0, code, nil).Faults; without == 0 || without&^everything != 0 {
				t.Errorf("of the faults %q it leaves out %q", drawn, without)
			}
			if result.Faults&without != 0 {
				t.Errorf("without %q there are %q", without, result.Faults)
			}
			for f := Faults(1); f < end; f <<= 1 {
				if result.Faults&f != 0 && len(Run(seed, without|f, code, nil).Found) > 0 {
					t.Errorf("seed %d fails without %q, too, which is left", seed, f)
				}
			}
			// What is left out already is never put back.
			if again := Minimise(seed, without, code); again != without {
				t.Errorf("of %q it makes %q", without, again)
			}
		})
	}
}

func TestASeedThatDoesNotFailIsLeftAlone(t *testing.T) {
	for _, without := range []Faults{0, Crashes | Jumps} {
		if got := Minimise(1, without, Real()); got != without {
			t.Errorf("of %q it makes %q", without, got)
		}
	}
}

func TestAReportSaysHowToSeeItAgain(t *testing.T) {
	seed, code := planted(t, caught[0])
	report := Report(seed, 0, code)
	head, list, _ := strings.Cut(report, " -without ")
	if want := fmt.Sprintf("-seed %d", seed); !strings.HasSuffix(head, want) {
		t.Errorf("it does not say %s:\n%s", want, report)
	}
	names, err := strconv.Unquote(list)
	if err != nil {
		t.Fatalf("%v:\n%s", err, report)
	}
	without, ok := ParseFaults(names)
	result := Run(seed, without, code, nil)
	if !ok || without != Minimise(seed, 0, code) || len(result.Found) == 0 {
		t.Errorf("without %q there is %q:\n%s", names, result.Found, report)
	}
	for _, what := range append(result.Found, result.Faults.String()) {
		if !strings.Contains(report, what) {
			t.Errorf("it does not tell of %q:\n%s", what, report)
		}
	}
}

func TestFaultsAreReadAsTheyAreListed(t *testing.T) {
	sets := []Faults{0, everything}
	for f := Faults(1); f < end; f <<= 1 {
		sets = append(sets, f, everything&^f)
		if name := f.String(); name == "" || strings.Contains(name, ",") {
			t.Errorf("the fault %b is called %q", f, name)
		}
	}
	for range 10_000 {
		sets = append(sets, Faults(rand.Uint32())&everything)
	}
	for _, f := range sets {
		if got, ok := ParseFaults(f.String()); !ok || got != f {
			t.Errorf("%q is read as %q, %v", f, got, ok)
		}
	}
	for _, list := range []string{"crash", "Crashes", "crashes ", "crashes;jumps", "crashes,nothing", "everything", "1"} {
		if got, ok := ParseFaults(list); ok || got != 0 {
			t.Errorf("%q is read as %q, %v", list, got, ok)
		}
	}
}
