// Package sim runs the real decision and the real fold in a world that is made of a
// seed: one log, the roles' shells, participants, operators, clocks, and all that may
// go wrong with them. See README.md.
//
// In a run all is virtual and one thing happens after the other, so that a seed gives
// the same run wherever it is run. When the world is quiet again an auditor, which has
// a simpler model, says what does not hold.
package sim
