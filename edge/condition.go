package edge

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"simplecqrs/order"
)

const headerMatch = "If-Match"

// tag is an entity tag (RFC 9110); a list of them may have empty members.
const tag = `(?:W/)?"[^\x00-\x20"\x7f]*"`

var (
	oneTag = regexp.MustCompile(tag)
	number = regexp.MustCompile(`^[0-9]+$`) // as people write it
	tags   = regexp.MustCompile(`^[ \t,]*` + tag + `([ \t]*,([ \t]*` + tag + `)?)*[ \t]*$`)
)

// versionsOf reads the header If-Match: the entity tags, or "*", one of which an order's
// row is to have before a command is given to it; none without one.
func versionsOf(h http.Header) ([]string, error) {
	lines := h.Values(headerMatch)
	if len(lines) == 0 {
		return nil, nil
	}
	line := strings.Trim(strings.Join(lines, ","), " \t")
	switch {
	case line == "*":
		return []string{line}, nil
	case number.MatchString(line):
		return []string{`"` + line + `"`}, nil
	case !tags.MatchString(line):
		return nil, fail(http.StatusBadRequest, `the header %s is %q: want "*", or versions, such as "3"`, headerMatch, line)
	}
	return oneTag.FindAllString(line, -1), nil
}

// atVersion refuses a command to an order whose row is of none of the versions. They are
// compared strongly, so that a weak one is none.
func atVersion(row order.Row, versions []string) error {
	if len(versions) == 0 || slices.Contains(versions, "*") || slices.Contains(versions, tagOf(row)) {
		return nil
	}
	return fail(http.StatusPreconditionFailed, "there is version %d of order %s, and the header %s wants %s: look at the order again",
		row.Meta.Version, row.ID, headerMatch, strings.Join(versions, ", "))
}

// tagOf is the entity tag of what is made of a row.
func tagOf(row order.Row) string { return `"` + strconv.FormatInt(row.Meta.Version, 10) + `"` }
