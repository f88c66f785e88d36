package stanch

import "fmt"

// Alert is one alert of the run's episode.
type Alert struct {
	Name string
	// Fingerprint is its stable identity across notifications.
	Fingerprint string
	// Status is "firing" or "resolved".
	Status              string
	Labels, Annotations map[string]string
	// StartsAt is RFC 3339.
	StartsAt string
	// Payload is what the sender sent of this alert.
	Payload any
}

// Context is for which run and step a call is.
type Context struct {
	Run, Step string
	// Attempt is 1 for the first.
	Attempt int
	// IdempotencyKey is the same for every attempt at one application of this step of this run, and different between them.
	IdempotencyKey string
	// Alerts has the first first. None where a person started the run.
	Alerts []Alert
	Extra  any
}

// KeyOf is the idempotency key of one action of a plan: the context's own where there is one, else with the index appended.
func (c *Context) KeyOf(index, actions int) string {
	if actions > 1 {
		return fmt.Sprintf("%s-%d", c.IdempotencyKey, index)
	}
	return c.IdempotencyKey
}

// Progress is what the host saw of one planned action.
type Progress struct {
	// State is "not-sent", "done", "refused", "unknown". One that you do not know is no definite answer.
	State  string
	Detail string
}

// Attempt is what was tried, also where Apply failed, stopped without an answer, or the engine died in it.
type Attempt[Data any] struct {
	Plan *Plan
	// Progress is in the plan's order.
	Progress []Progress
	// Outcome is what Apply said; nil where it came to say nothing.
	Outcome *Outcome
	// Data is the plan's data; nil where there was none, or what another version of the plugin said.
	Data *Data
}

// Done are the actions that took effect for certain.
func (a *Attempt[Data]) Done() []*Action {
	return a.those(func(state string) bool { return state == "done" })
}

// MaybeDone are the actions that took effect or may have: what an undo has to think of.
func (a *Attempt[Data]) MaybeDone() []*Action {
	return a.those(func(state string) bool { return state != "not-sent" && state != "refused" })
}

func (a *Attempt[Data]) those(are func(state string) bool) []*Action {
	var found []*Action
	for index, action := range a.Plan.Actions {
		if are(a.Progress[index].State) {
			found = append(found, action)
		}
	}
	return found
}

// Message is what people are told.
type Message struct {
	// Kind is "question", "progress", "escalation" or "report".
	Kind string
	// Severity is "low", "medium", "high" or "critical".
	Severity string
	// Title is one line.
	Title string
	// Text is plain text, already free of markup.
	Text string
	// Link is where to look further; empty where there is none.
	Link string
	// Report is the run's report: alert, findings, plan, what was done.
	Report any
	// Thread is the same for every message of one run.
	Thread string
}
