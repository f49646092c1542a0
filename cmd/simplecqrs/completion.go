package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"simplecqrs/node"
	"simplecqrs/order"
	"simplecqrs/saga"
)

const completionSynopsis = `Prints a script that has a shell complete commands, flags, their values and ids of
orders. To have it now and in each new shell:

  bash  source <(simplecqrs completion bash)      in ~/.bashrc, too
  zsh   source <(simplecqrs completion zsh)       in ~/.zshrc, behind compinit
  fish  simplecqrs completion fish | source       in ~/.config/fish/config.fish

Ids are asked of the edge that -url and its like say, for at most 2 s.`

//go:embed completion
var completions embed.FS

var shells = []string{"bash", "zsh", "fish"}

func completion(_ context.Context, args []string, out output) error {
	f := newFlags("completion bash|zsh|fish", completionSynopsis)
	rest, err := parseMixed(f, args, out)
	switch {
	case err != nil:
		return err
	case len(rest) != 1 || !slices.Contains(shells, rest[0]):
		return refuse(f, errors.New("say which shell: "+strings.Join(shells, ", ")))
	}
	script, err := completions.ReadFile("completion/simplecqrs." + rest[0])
	if err != nil {
		return err
	}
	return out.print(string(script))
}

// completeCommand is what the scripts ask: it is given the words behind the program's
// name up to the one that is being typed, and prints what that may become, a line each.
// The line filesWanted stands for the names of files.
const (
	completeCommand = "__complete"
	filesWanted     = ":files"
)

func complete(ctx context.Context, words []string, out output) error {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	switch { // bash has taken -flag=value apart, and wants the value alone
	case last > 1 && words[last] == "=":
		words[last] = ""
	case last > 2 && words[last-1] == "=":
		words, last = slices.Delete(slices.Clone(words), last-1, last), last-1
	}
	found := candidates(ctx, words[:last], words[last])
	found = slices.DeleteFunc(found, func(one string) bool { return one != filesWanted && !strings.HasPrefix(one, words[last]) })
	if len(found) == 0 {
		return nil
	}
	return out.print(strings.Join(found, "\n") + "\n")
}

// candidates are what may come behind words, and begins with a prefix if that says
// what kind of thing it is.
func candidates(ctx context.Context, words []string, prefix string) []string {
	if len(words) == 0 {
		return slices.Sorted(maps.Keys(commands()))
	}
	name := words[0]
	its := verbs()[name]
	if len(its) > 0 && len(words) == 1 && !strings.HasPrefix(prefix, "-") {
		return its
	}
	path := words[:1]
	if len(its) > 0 && len(words) > 1 {
		path = words[:2]
	}
	f := flagsOf(path...)
	if f == nil {
		return nil
	}
	if one := awaitsValue(f, words[len(words)-1]); one != nil {
		return valuesOf(one, prefix)
	}
	if name, value, given := strings.Cut(prefix, "="); given {
		one := awaitsValue(f, name)
		if one == nil {
			return nil
		}
		values := slices.DeleteFunc(valuesOf(one, value), func(v string) bool { return v == filesWanted })
		for i := range values {
			values[i] = name + "=" + values[i]
		}
		return values
	}
	if strings.HasPrefix(prefix, "-") {
		names := []string{"-h"}
		f.VisitAll(func(one *flag.Flag) { names = append(names, "-"+one.Name) })
		return names
	}
	switch name {
	case "completion":
		return shells
	case "plan":
		return []string{filesWanted}
	case "order", "deadletters":
		return idsFor(ctx, f, path, words[len(path):])
	}
	return nil
}

// awaitsValue is the flag whose value is to come behind a word; nil if it is none.
func awaitsValue(f *flag.FlagSet, word string) *flag.Flag {
	name, isFlag := strings.CutPrefix(strings.Replace(word, "--", "-", 1), "-")
	one := f.Lookup(name)
	if !isFlag || one == nil {
		return nil
	}
	if b, is := one.Value.(interface{ IsBoolFlag() bool }); is && b.IsBoolFlag() {
		return nil
	}
	return one
}

// valuesOf are the values that a flag takes, if they are few: it says so itself when it
// is given one that it does not take.
func valuesOf(one *flag.Flag, prefix string) []string {
	var few *unknownValue
	switch what, _ := flag.UnquoteUsage(one); {
	case what == "file" || what == "directory":
		return []string{filesWanted}
	case one.Name == "roles":
		begun := prefix[:strings.LastIndex(prefix, ",")+1]
		var more []string
		for _, role := range node.AllRoles(saga.Default()) {
			if !slices.Contains(strings.Split(begun, ","), role) {
				more = append(more, begun+role)
			}
		}
		return more
	case one.Name == "role":
		return node.AllRoles(saga.Default())
	case one.Name == "type":
		return eventTypes()
	case errors.As(one.Value.Set("\x00"), &few):
		return few.known
	}
	return nil
}

// eventTypes are those of the events of an order whose plan is the one that is built in.
func eventTypes() []string {
	all := map[string]bool{}
	for _, t := range order.Answers() {
		all[string(t)] = true
	}
	for _, c := range order.Commands() {
		all[string(c.Type())] = true
	}
	for _, step := range saga.Default().Names() {
		for _, phase := range order.Phases() {
			all[string(order.TypeOf(step, phase))] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// askTime is how long the edge may take to tell ids.
const askTime = 2 * time.Second

// idsFor asks for the ids of what a verb could be meant for. If they cannot be had
// there are none: a shell is no place for complaints.
func idsFor(ctx context.Context, f *flag.FlagSet, path, words []string) []string {
	var list string
	switch path[len(path)-1] {
	case "get", "history", "watch", "pause", "cancel":
		list = "/query?sort=newest"
	case "resume":
		list = "/query?status=paused"
	case "retry", "skip":
		list = "/query?status=stuck"
	case "schedule":
		list = "/query?status=scheduled"
	case "show", "redrive", "discard":
		list = "/deadletters"
	default:
		return nil
	}
	if _, err := parseMixed(f, words, output{}); err != nil {
		return nil
	}
	c, err := clientOf(f, output{})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	a, err := c.ask(ctx, http.MethodGet, list, nil, 0)
	if err != nil {
		return nil
	}
	var page struct{ Orders, Letters []struct{ ID string } }
	if json.Unmarshal(a.body, &page) != nil {
		return nil
	}
	var ids []string
	for _, one := range slices.Concat(page.Orders, page.Letters) {
		ids = append(ids, plain(one.ID))
	}
	return ids
}
