package web

import (
	"path"
	"regexp"
	"testing"
)

var (
	// named finds what a file says is to be loaded from here.
	named  = regexp.MustCompile(`/assets/([\w.-]+)|(?:from|import) '\./([\w.-]+)'`)
	inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|javascript:|<script(?:\s[^>]*)?>[^<\s]`)
)

func TestWhatAFileLoadsIsThere(t *testing.T) {
	for name, f := range all {
		for _, match := range named.FindAllStringSubmatch(string(f.Body), -1) {
			if _, found := Get(match[1] + match[2]); !found {
				t.Errorf("%s loads %s, which is not there", name, match[0])
			}
		}
	}
}

func TestNoPageHasScriptsOrStylesInIt(t *testing.T) {
	for name, f := range all {
		if path.Ext(name) != ".html" {
			continue
		}
		if found := inline.FindString(string(f.Body)); found != "" {
			t.Errorf("%s has %q, which the policy forbids", name, found)
		}
	}
}

func TestEachFileHasATypeAndATagOfItsOwn(t *testing.T) {
	tags := map[string]string{}
	for name, f := range all {
		if f.Type == "" || len(f.Body) == 0 {
			t.Errorf("%s: type %q, %d bytes", name, f.Type, len(f.Body))
		}
		if other, twice := tags[f.ETag]; twice {
			t.Errorf("%s and %s have the same tag", name, other)
		}
		tags[f.ETag] = name
	}
}
