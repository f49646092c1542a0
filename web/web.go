// Package web holds what a browser is given: pages, styles, scripts. They are files
// as they are, with nothing that builds them: read them as they are served.
//
// base.css is the look that all pages share, and theme.js its switch between light
// and dark. index.html is the page at /, and main.js where its scripts begin.
//
// Nothing here may need an inline script or style, or another origin: the pages are
// served under a policy that forbids both.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
)

//go:embed *.html *.css *.js *.svg
var files embed.FS

// File is a file and what HTTP says of it.
type File struct {
	Type string // its media type
	ETag string // changes with what is in it
	Body []byte
}

// types are the media types by a name's end. The machine's own table, which the
// standard library asks, may say otherwise.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

var all = func() map[string]File {
	all := map[string]File{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are in the program
	}
	for _, e := range entries {
		body, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		all[e.Name()] = File{types[path.Ext(e.Name())], `"` + hex.EncodeToString(sum[:12]) + `"`, body}
	}
	return all
}()

// Get gives a file by its name; false if there is none.
func Get(name string) (File, bool) {
	f, ok := all[name]
	return f, ok
}
