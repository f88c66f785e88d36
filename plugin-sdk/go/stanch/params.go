package stanch

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Labels of an alert come from outside. Where the schema says that a string is PromQL, a URL, a regex or JSON, the engine
// escapes what a runbook puts into it for its position. Into a plain string an outside value does not load unless the runbook
// wraps it in text(…).

// PromQL is a PromQL expression.
type PromQL string

// JSONSchema is the schema.
func (PromQL) JSONSchema() map[string]any { return special("promql") }

// URL is an http or https URL.
type URL string

// JSONSchema is the schema.
func (URL) JSONSchema() map[string]any { return special("url") }

// Regex is a regular expression.
type Regex string

// JSONSchema is the schema.
func (Regex) JSONSchema() map[string]any { return special("regex") }

// JSONText is a JSON document, as text.
type JSONText string

// JSONSchema is the schema.
func (JSONText) JSONSchema() map[string]any { return special("json") }

func special(format string) map[string]any {
	return map[string]any{"type": "string", "minLength": 1, "x-stanch-format": format}
}

var (
	spanForm  = regexp.MustCompile("^([0-9]+(ms|s|m|h|d))+$")
	spanParts = regexp.MustCompile("([0-9]+)(ms|s|m|h|d)")
	bytesForm = regexp.MustCompile("^([0-9]+)(B|KiB|MiB|GiB|TiB)$")
)

// Span is a length of time, written 90s or 1h30m.
type Span struct {
	time.Duration
	text string
}

// JSONSchema is the schema.
func (Span) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": spanForm.String(), "examples": []string{"90s", "1h30m"}}
}

// String is as it was written.
func (s Span) String() string { return s.text }

// MarshalJSON is as it was written.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(s.text) }

// UnmarshalJSON reads it.
func (s *Span) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &s.text); err != nil {
		return err
	}
	if !spanForm.MatchString(s.text) {
		return fmt.Errorf("`%s` is no length of time: it is written `90s` or `1h30m`", s.text)
	}
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}
	s.Duration = 0
	for _, part := range spanParts.FindAllStringSubmatch(s.text, -1) {
		count, err := strconv.ParseInt(part[1], 10, 32)
		if err != nil {
			return err
		}
		s.Duration += time.Duration(count) * units[part[2]]
	}
	return nil
}

// Bytes is a size, written 64MiB.
type Bytes struct {
	Count uint64
	text  string
}

// JSONSchema is the schema.
func (Bytes) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$", "examples": []string{"64MiB"}}
}

// String is as it was written.
func (b Bytes) String() string { return b.text }

// MarshalJSON is as it was written.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(b.text) }

// UnmarshalJSON reads it.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &b.text); err != nil {
		return err
	}
	parts := bytesForm.FindStringSubmatch(b.text)
	if parts == nil {
		return fmt.Errorf("`%s` is no size: it is written `64MiB`", b.text)
	}
	count, err := strconv.ParseUint(parts[1], 10, 24)
	if err != nil {
		return err
	}
	shift := map[string]int{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
	b.Count = count << shift[parts[2]]
	return nil
}
