package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.yaml.in/yaml/v4"
)

// docs shows the API to people: GET /docs.
func docs(w http.ResponseWriter, r *http.Request) error { return sendFile(w, r, "docs.html") }

// docsJSON gives the API's description as browsers can read it: GET /docs/openapi.json.
func docsJSON() handler {
	body, err := asJSON(openAPI)
	return func(w http.ResponseWriter, _ *http.Request) error {
		if err != nil {
			return fmt.Errorf("reading openapi.yaml: %w", err)
		}
		send(w, http.StatusOK, "application/json", body)
		return nil
	}
}

// asJSON turns YAML to JSON whose members are in the same order.
func asJSON(text []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := writeJSON(&b, &document); err != nil {
		return nil, err
	}
	return slices.Clip(b.Bytes()), nil // several send it, each with a line's end
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeJSON(b, n.Content[0])
	case yaml.AliasNode:
		return writeJSON(b, n.Alias)
	case yaml.MappingNode:
		return writeAll(b, '{', '}', n.Content, 2)
	case yaml.SequenceNode:
		return writeAll(b, '[', ']', n.Content, 1)
	default: // a scalar
	}
	if n.ShortTag() == "!!timestamp" {
		return writeValue(b, n.Value) // as it stands there
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return err
	}
	return writeValue(b, value)
}

// writeAll writes the nodes of an array, or of an object, each of whose members is two.
func writeAll(b *bytes.Buffer, begin, end byte, nodes []*yaml.Node, each int) error {
	b.WriteByte(begin)
	for i := 0; i < len(nodes); i += each {
		if i > 0 {
			b.WriteByte(',')
		}
		if each == 2 {
			if nodes[i].Kind != yaml.ScalarNode {
				return errors.New("a member's name is no text")
			}
			if err := writeValue(b, nodes[i].Value); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := writeJSON(b, nodes[i+each-1]); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func writeValue(b *bytes.Buffer, value any) error {
	text, err := json.Marshal(value)
	b.Write(text)
	return err
}
