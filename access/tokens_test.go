package access

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

const (
	annsToken = "ann-0123456789abcdef"
	bobsToken = "bob-0123456789abcdef"
)

// wantKnown holds a token to whom it is of, and its scopes.
func wantKnown(t *testing.T, a *Access, token, subject string, scopes ...string) {
	t.Helper()
	got, may, err := a.Authenticate(t.Context(), token)
	if err != nil || got != subject || !slices.Equal(may, scopes) {
		t.Errorf("the token is of %q with %q, %v; want %q with %q", got, may, err, subject, scopes)
	}
}

func wantRefused(t *testing.T, a *Access, token string, kind order.Kind, detail string) {
	t.Helper()
	subject, scopes, err := a.Authenticate(t.Context(), token)
	if subject != "" || scopes != nil || order.KindOf(err) != kind || !strings.Contains(err.Error(), detail) {
		t.Errorf("the token is of %q with %q, %v; want it refused with %q", subject, scopes, err, detail)
	}
}

func TestATokenOfTheFileIsKnownAsItselfOrByItsHash(t *testing.T) {
	name := file(t, "# who may do what\n\n  "+annsToken+" ann  command,query\r\n"+hashOf(bobsToken)+"\tbob\tadmin\n")
	j := newJournal()
	a, err := Open(t.Context(), Config{Tokens: name, Scopes: allScopes, Logger: j.logger()})
	check(t, err)
	wantKnown(t, a, annsToken, "ann", "command", "query")
	wantKnown(t, a, bobsToken, "bob", "admin")
	for _, bad := range []string{"", "ann", annsToken + " ", annsToken[1:], hashOf(bobsToken), hashOf(annsToken), "#"} {
		wantRefused(t, a, bad, order.Invalid, "the token is unknown")
	}
	if text, _ := j.now(); text != "" {
		t.Errorf("logged: %s", text)
	}
}

func TestAMistakeInTheTokensIsToldWithItsLineAndNotItsSecret(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "there is no token in it"},
		{"# " + annsToken + " ann query", "there is no token in it"},
		{annsToken, "line 1: want a token"},
		{annsToken + " ann", "line 1: want a token"},
		{annsToken + " ann query admin", "line 1: want a token"},
		{"short-012345678 ann query", "line 1: the token has less than 16 bytes"},
		{"\nsha256:0123 ann query", "line 2: after sha256: want 64 hex digits"},
		{"sha256:" + strings.Repeat("z", 64) + " ann query", "line 1: after sha256: want 64 hex digits"},
		{annsToken + " ann query,root", `line 1: the scope "root" is unknown; known are command, query, admin`},
		{annsToken + " ann query,", `line 1: the scope "" is unknown`},
		{annsToken + " " + strings.Repeat("a", 201) + " query", "line 1: a subject has 1 to 200 bytes"},
		{annsToken + " a\x01b query", "line 1: a subject is of characters that can be printed"},
		{annsToken + " a\xffb query", "line 1: a subject is of characters that can be printed"},
		{annsToken + " ann query\n" + hashOf(annsToken) + " bob query", "line 2: the token stands twice"},
		{strings.Repeat("\n", maxFile) + annsToken + " ann query", "larger than"},
	} {
		_, err := Open(t.Context(), Config{Tokens: file(t, c.text), Scopes: allScopes, Logger: newJournal().logger()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text[:min(len(c.text), 80)], err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "0123") {
			t.Errorf("it tells the secret: %v", err)
		}
	}
	if _, err := Open(t.Context(), Config{Tokens: t.TempDir() + "/none", Logger: newJournal().logger()}); err == nil {
		t.Error("a file that is not there is read")
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("nothing lets anybody in")
	}
}

func TestThereAreNoMoreTokensThanOneIsComparedWithQuickly(t *testing.T) {
	var b strings.Builder
	for i := range maxTokens + 1 {
		b.WriteString(hashOf(strings.Repeat("x", i+1)) + " ann query\n")
		if i == maxTokens-1 {
			_, _, err := tokensIn(b.String(), allScopes)
			check(t, err)
		}
	}
	if _, _, err := tokensIn(b.String(), allScopes); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("one more: %v", err)
	}
}

func TestAFileThatOthersMayReadOrWriteIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		mode os.FileMode
		text string
		want string
	}{
		{0o600, annsToken, ""},
		{0o400, annsToken, ""},
		{0o640, annsToken, "may read"},
		{0o604, annsToken, "may read"},
		{0o644, hashOf(annsToken), ""}, // of use to nobody
		{0o664, hashOf(annsToken), "may write"},
		{0o622, annsToken, "may write"},
	} {
		name, j := file(t, c.text+" ann query\n"), newJournal()
		check(t, os.Chmod(name, c.mode))
		_, err := Open(t.Context(), Config{Tokens: name, Scopes: allScopes, Logger: j.logger()})
		check(t, err)
		if text, _ := j.now(); c.want == "" && text != "" || !strings.Contains(text, c.want) || strings.Contains(text, annsToken) {
			t.Errorf("%v %s: logged %q, want %q", c.mode, c.text, text, c.want)
		}
	}
}

func TestTokensAreReadAnewWhenTheirFileChangesAndABrokenVersionChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer func() { stop(); synctest.Wait() }()
		name, j := file(t, annsToken+" ann query\n"), newJournal()
		a, err := Open(ctx, Config{Tokens: name, Scopes: allScopes, Logger: j.logger()})
		check(t, err)
		looked := func() {
			<-time.After(lookEvery + lookEvery/2)
			synctest.Wait()
		}
		looked()
		if text, _ := j.now(); text != "" {
			t.Errorf("nothing has changed, but logged: %s", text)
		}

		rewrite(t, name, bobsToken+" bob query,nonsense\n")
		looked()
		looked()
		wantKnown(t, a, annsToken, "ann", "query")
		wantRefused(t, a, bobsToken, order.Invalid, "the token is unknown")
		if diff := cmp.Diff([]int{1, 0}, []int{j.count("nonsense"), j.count("read anew")}); diff != "" {
			text, _ := j.now()
			t.Errorf("each is told once (-want +got):\n%s%s", diff, text)
		}

		rewrite(t, name, bobsToken+" bob command\n")
		looked()
		wantKnown(t, a, bobsToken, "bob", "command")
		wantRefused(t, a, annsToken, order.Invalid, "the token is unknown")
		if j.count("read anew") != 1 {
			t.Error("it is not told that it was read anew")
		}
		rewrite(t, name, bobsToken+" bob nonsense\n")
		looked()
		if j.count("nonsense") != 2 {
			t.Error("a mistake that is made again is not told of")
		}
	})
}

func TestAfterTheLastTokenWasTakenOutNobodyIsLetIn(t *testing.T) {
	for name, takeOut := range map[string]func(file string){
		"emptied":       func(f string) { rewrite(t, f, "") },
		"commented out": func(f string) { rewrite(t, f, "# "+annsToken+" ann query\n") },
		"removed":       func(f string) { check(t, os.Remove(f)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer func() { stop(); synctest.Wait() }()
				name, j := file(t, annsToken+" ann query\n"), newJournal()
				a, err := Open(ctx, Config{Tokens: name, Scopes: allScopes, Logger: j.logger()})
				check(t, err)
				looked := func() {
					<-time.After(2*lookEvery + lookEvery/2)
					synctest.Wait()
				}
				takeOut(name)
				looked()
				wantRefused(t, a, annsToken, order.Invalid, "the token is unknown")
				if gone := j.count("counts no more"); j.count("read anew")+gone != 1 || gone > 0 && j.count("level=ERROR") != 1 {
					text, _ := j.now()
					t.Errorf("logged: %s", text)
				}
				rewrite(t, name, annsToken+" ann query\n")
				looked()
				wantKnown(t, a, annsToken, "ann", "query")
			})
		})
	}
}
