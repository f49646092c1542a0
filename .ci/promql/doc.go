// Package promql holds the queries of the dashboard and the alerts to what a process
// tells at /metrics. It is a module of its own, as Prometheus' engine brings along more
// modules than all else of ours.
package promql
