package stanch

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Verdict is the answer to one question. What could not be found out is Unknown, never No.
type Verdict string

const (
	// Yes: it is so.
	Yes Verdict = "yes"
	// No: it is not so.
	No Verdict = "no"
	// Unknown: it could not be found out.
	Unknown Verdict = "unknown"
)

// Point is one value of a curve.
type Point struct {
	At    time.Time
	Value float64
}

// Evidence is something a person would look at: a value, a link, or a curve.
type Evidence struct {
	Label string
	Value string
	Unit  string
	// Link is where to look further: an http or https URL.
	Link   string
	Points []Point
}

// Seen is a value with a label.
func Seen(label string, value any) Evidence { return Evidence{Label: label, Value: fmt.Sprint(value)} }

// Curve is a curve, oldest first; its last value is the evidence's value. What is not finite is left out.
func Curve(label, unit, link string, points []Point) Evidence {
	evidence := Evidence{Label: label, Unit: unit, Link: link}
	for _, point := range points {
		if !math.IsNaN(point.Value) && !math.IsInf(point.Value, 0) {
			evidence.Points = append(evidence.Points, point)
			evidence.Value = strconv.FormatFloat(point.Value, 'f', -1, 64)
		}
	}
	return evidence
}

// Finding is the answer to one question, in one sentence, with what it rests on.
type Finding struct {
	Verdict  Verdict
	Summary  string
	Evidence []Evidence
	// Data is what later steps can read; nil stands for the zero value of the plugin's data.
	Data any
}

// Found makes a finding.
func Found(verdict Verdict, format string, values ...any) *Finding {
	return &Finding{Verdict: verdict, Summary: fmt.Sprintf(format, values...)}
}

// Judged is Yes where it holds, else No. Only where it was seen either way.
func Judged(holds bool, format string, values ...any) *Finding {
	if holds {
		return Found(Yes, format, values...)
	}
	return Found(No, format, values...)
}

// With adds what it rests on.
func (f *Finding) With(evidence ...Evidence) *Finding {
	f.Evidence = append(f.Evidence, evidence...)
	return f
}

// WithData adds what later steps can read.
func (f *Finding) WithData(data any) *Finding {
	f.Data = data
	return f
}

// Outcome is what an application did.
type Outcome struct {
	Summary  string
	Evidence []Evidence
	// Data is what later steps can read; nil stands for the zero value of the plugin's data.
	Data any
}
