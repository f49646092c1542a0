package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
)

const (
	// minToken is the least that a token in plain has, in bytes.
	minToken = 16
	// maxTokens bounds the tokens of a file: one that is sent is compared with each.
	maxTokens = 1000
	// hashed stands before the SHA-256 of a token, in hex.
	hashed = "sha256:"
)

// token is who has a token, and what for. The token itself is not kept.
type token struct {
	hash    [sha256.Size]byte
	subject string
	scopes  []string
}

type tokens []token

// find compares with all, and by their hashes, so that the time that it takes tells
// nothing of how near a guess came.
func (all tokens) find(sent string) (found token, ok bool) {
	hash := sha256.Sum256([]byte(sent))
	for _, t := range all {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// openTokens reads a file that has a token on each line: it or its hash, its subject,
// its scopes with commas between them. Lines that begin with # say nothing. At first
// there must be a token in it, or it is the wrong file; when later there is none, or no
// file, then because all were taken out, and nobody has one.
func openTokens(c Config) (*kept[tokens], error) {
	k, err := open(c.Logger, func(contents [][]byte) (tokens, error) {
		all, plain, err := tokensIn(string(contents[0]), c.Scopes)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(c.Tokens)
		if err != nil {
			return nil, err
		}
		switch mode := info.Mode().Perm(); {
		case mode&0o022 != 0:
			c.Logger.Warn("others than its owner may write the file with the tokens, and so let anybody in: chmod go-w it", slog.String("file", c.Tokens))
		case mode&0o044 != 0 && plain:
			c.Logger.Warn("others than its owner may read the file with the tokens: chmod 600 it, or write sha256: and their hashes", slog.String("file", c.Tokens))
		}
		return all, nil
	}, c.Tokens)
	if err != nil {
		return nil, err
	}
	if len(k.value()) == 0 {
		return nil, fmt.Errorf("%s: there is no token in it", c.Tokens)
	}
	k.gone = new(tokens)
	return k, nil
}

// tokensIn reads the tokens of a text, and whether it has any in plain.
func tokensIn(text string, scopes []string) (all tokens, plain bool, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := tokenIn(line, scopes)
		if err != nil {
			return nil, false, fmt.Errorf("line %d: %w", i+1, err) // and not the line: it has a secret
		}
		if slices.ContainsFunc(all, func(other token) bool { return other.hash == t.hash }) {
			return nil, false, fmt.Errorf("line %d: the token stands twice", i+1)
		}
		if all = append(all, t); len(all) > maxTokens {
			return nil, false, fmt.Errorf("there are more than %d tokens", maxTokens)
		}
		plain = plain || !strings.HasPrefix(line, hashed)
	}
	return all, plain, nil
}

func tokenIn(line string, known []string) (t token, err error) {
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return t, errors.New("want a token or sha256: and its hash, a subject, and scopes with commas between them")
	}
	if hash, found := strings.CutPrefix(parts[0], hashed); found {
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != sha256.Size {
			return t, errors.New("after sha256: want 64 hex digits")
		}
		t.hash = [sha256.Size]byte(raw)
	} else {
		if len(parts[0]) < minToken {
			return t, fmt.Errorf("the token has less than %d bytes, and could be guessed", minToken)
		}
		t.hash = sha256.Sum256([]byte(parts[0]))
	}
	t.subject = parts[1]
	if err := checkSubject(t.subject); err != nil {
		return t, err
	}
	for scope := range strings.SplitSeq(parts[2], ",") {
		if !slices.Contains(known, scope) {
			return t, fmt.Errorf("the scope %q is unknown; known are %s", scope, strings.Join(known, ", "))
		}
		t.scopes = append(t.scopes, scope)
	}
	return t, nil
}
