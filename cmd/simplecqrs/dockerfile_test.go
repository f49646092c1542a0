package main

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

func TestTheImageIsSmallAndRunsAsNobodyInParticular(t *testing.T) {
	text, err := os.ReadFile(root + "/Dockerfile")
	check(t, err)
	module, err := os.ReadFile(root + "/go.mod")
	check(t, err)
	said := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("it does not say %s", pattern)
		}
		return found[len(found)-1]
	}
	said(`CGO_ENABLED=0 go build `)
	said(`(?m)^FROM scratch$`)
	said(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`)
	if with, needs := said(`FROM golang:(1\.[0-9]+)\.[0-9]+-`), regexp.MustCompile(`(?m)^go (1\.[0-9]+)`).FindStringSubmatch(string(module))[1]; with != needs {
		t.Errorf("it is built with Go %s, and needs %s", with, needs)
	}
	var health, byDefault []string
	check(t, json.Unmarshal([]byte(said(`(?ms)^HEALTHCHECK .*?CMD (\[.*?\])$`)), &health))
	check(t, json.Unmarshal([]byte(said(`(?m)^CMD (\[.*\])$`)), &byDefault))
	for _, c := range commandComplaints(health[1:], nil, nil) {
		t.Errorf("%q: %s", health, c)
	}
	if code, _, log := simplecqrs(t, byDefault...); code != 0 {
		t.Errorf("%q: exit code %d, log %s", byDefault, code, log)
	}
}
