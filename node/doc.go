// Package node runs one process: it wires the roles that the process is to play
// to one client of the brokers, one read store and one HTTP listener.
//
// The program is a value: [Start] takes a [Config] and gives a [Node], which the
// commands run until a signal and the tests run many of.
package node
