package sim

import "strings"

// Faults is what may go wrong in a run, as a set.
type Faults uint32

// Each kind can be left out of a run by itself, by which a failing one is made smaller.
const (
	Crowd         Faults = 1 << iota // more than one order
	Crashes                          // a role dies and starts again beside its disk
	Rebalances                       // a role goes on elsewhere, by what its topic holds
	Overtaking                       // what the saga says is safe before the state that it follows from
	Ghosts                           // an owner that was frozen writes on after the next one
	Copies                           // a client's record stands twice in the log
	Rivals                           // two requests under one order's id
	Ticks                            // timers fire twice, late, or long after they were disarmed
	Jumps                            // clocks are set
	Delays                           // requests come to a participant after it was given up
	Stragglers                       // an answer comes when timers of its order have fired
	Losses                           // an effect's answer is lost
	Failures                         // an attempt fails without effect
	Declines                         // a participant refuses a step
	Afterthoughts                    // and does it all the same
	StubbornUndos                    // undoing fails, or is refused
	Foreigners                       // participants that know no headers
	Commands                         // of operators
	Replays                          // of commands
	Appointments                     // orders with a start time
	Deployments                      // of another definition
	end
)

const everything = end - 1

var faultNames = []string{
	"crowd", "crashes", "rebalances", "overtaking", "ghosts", "copies", "rivals", "ticks", "jumps", "delays", "stragglers", "losses", "failures",
	"declines", "afterthoughts", "stubborn-undos", "foreigners", "commands", "replays", "appointments", "deployments",
}

// String lists the faults, as ParseFaults reads them.
func (f Faults) String() string {
	var names []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseFaults reads a list of faults. It reports false for a name that is none's.
func ParseFaults(list string) (Faults, bool) {
	var f Faults
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			continue
		}
		known := false
		for i, n := range faultNames {
			if n == name {
				f |= 1 << i
				known = true
			}
		}
		if !known {
			return 0, false
		}
	}
	return f, true
}
