package sim

import (
	"fmt"
	"strings"
)

// Report tells of a seed that fails what the auditor found, and how to see it again with
// as few faults as it takes.
func Report(seed uint64, without Faults, code Code) string {
	without = Minimise(seed, without, code)
	result := Run(seed, without, code, nil)
	return fmt.Sprintf("seed %d fails with %s:\n  %s\nrun it again: go test ./sim -run Rules -v -seed %d -without %q",
		seed, result.Faults, strings.Join(result.Found, "\n  "), seed, without)
}

// Minimise adds to the faults that a failing run goes without all those that it does not
// need to fail. What is left is a smaller world: without a fault other draws follow.
func Minimise(seed uint64, without Faults, code Code) Faults {
	for smaller := true; smaller; {
		smaller = false
		for f := Faults(1); f < end; f <<= 1 {
			drawn := Run(seed, without, code, nil).Faults
			if drawn&f != 0 && len(Run(seed, without|f, code, nil).Found) > 0 {
				without |= f
				smaller = true
			}
		}
	}
	return without
}
