// `config-switch`: sets one key of a ConfigMap to another value.
//
// It is planned for the very version of the ConfigMap that was read, so nothing that somebody else writes meanwhile is lost. The
// way back puts the old value back, or takes the key away where there was none, and only while the value is still the one that
// was set here.
package main

import (
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/stanch/stanch/plugin-sdk/go/remediation"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

const (
	// Longer values are configuration files and no switches.
	longest = 16 * 1024
	// Of a value, for people.
	mostShown = 120
)

type params struct {
	Namespace string   `json:"namespace" schema:"{\"minLength\":1}" doc:"Where it is."`
	Name      string   `json:"name" schema:"{\"minLength\":1}" doc:"What it is called."`
	Key       string   `json:"key" schema:"{\"pattern\":\"^[-._a-zA-Z0-9]{1,253}$\"}" doc:"Which key."`
	Value     string   `json:"value" doc:"Its value then."`
	From      []string `json:"from" default:"[]" doc:"Only where its value now is one of these."`
	Add       bool     `json:"add" default:"false" doc:"Also where there is no such key yet; else that is taken for a mistake."`
}

// What was there, and what is set.
type data struct {
	UID string  `json:"uid" doc:"Which ConfigMap it was: another of the same name has another."`
	Old *string `json:"old" doc:"The value before; none where there was no such key."`
	New string  `json:"new" doc:"The value then."`
}

func init() {
	remediation.Register(stanch.About{
		Name:    "config-switch",
		Version: "0.1.0",
		Summary: "Switches the value of a key of a ConfigMap",
		// Each action is for one version: a repeat finds another.
		Idempotent: true,
		Asks: stanch.Asks{Kubernetes: []stanch.AskKubernetes{{
			Clusters: []string{"eu"}, Verbs: []string{"get", "patch"}, Resources: []string{"configmaps"},
			Namespaces: []string{"inference"}, Names: []string{"flags"},
		}}},
	}, remediation.Plugin[params, data]{Plan: plan, Verify: verify, PlanUndo: planUndo})
}

func main() {}

func plan(_ *stanch.Context, params params) (*stanch.Plan, error) {
	object, err := read(params)
	if err != nil {
		return nil, err
	}
	key, value, named := params.Key, params.Value, object.Named()
	old, err := valueOf(object, key)
	if err != nil {
		return nil, err
	}
	kept := data{UID: object.UID(), Old: old, New: value}
	if len(value) > longest || old != nil && len(*old) > longest {
		return nil, stanch.Failuref(stanch.InvalidParams,
			"A value of `%s` is longer than 16 KiB: that is a file and no switch", key)
	}
	var plan *stanch.Plan
	switch {
	case old == nil && !params.Add:
		return nil, noSuchKey(object, key)
	case old == nil:
		plan = stanch.Planf("Add `%s` to %s, as %s", key, named, shown(value))
	case *old == value:
		return stanch.Planf("`%s` of %s is %s already", key, named, shown(value)).WithData(kept), nil
	case len(params.From) > 0 && !slices.Contains(params.From, *old):
		var only []string
		for _, from := range params.From {
			only = append(only, shown(from))
		}
		return nil, stanch.Failuref(stanch.Failed, "`%s` of %s is %s, and the runbook switches it from %s only",
			key, named, shown(*old), strings.Join(only, " or "))
	default:
		plan = stanch.Planf("Switch `%s` of %s from %s to %s", key, named, shown(*old), shown(value))
	}
	patch := map[string]any{"data": map[string]any{key: value}}
	return plan.Do(stanch.PatchObjectAction(object, "merge", patch)).WithData(kept), nil
}

func verify(_ *stanch.Context, params params, made *stanch.Attempt[data]) (*stanch.Finding, error) {
	var kept data
	if made.Data != nil {
		kept = *made.Data
	}
	object, err := read(params)
	if err != nil {
		return nil, err
	}
	now, err := valueOf(object, params.Key)
	if err != nil {
		return nil, err
	}
	well := object.UID() == kept.UID && now != nil && *now == kept.New
	return stanch.Judged(well, "`%s` of %s is %s", params.Key, object.Named(), orElse(now, "not there")).WithData(kept), nil
}

func planUndo(_ *stanch.Context, params params, made *stanch.Attempt[data]) (*stanch.Plan, error) {
	kept := made.Data
	if kept == nil {
		return nil, stanch.Failuref(stanch.Failed, "what was there before is not known")
	}
	if len(made.MaybeDone()) == 0 {
		return stanch.Planf("Nothing was switched").WithData(kept), nil
	}
	object, err := read(params)
	if err != nil {
		return nil, err
	}
	key, named := params.Key, object.Named()
	if object.UID() != kept.UID {
		return nil, stanch.Failuref(stanch.Conflict, "%s is another one by now, and is left as it is", named)
	}
	now, err := valueOf(object, key)
	switch {
	case err != nil:
		return nil, err
	case same(now, kept.Old):
		return stanch.Planf("`%s` of %s is as it was before already", key, named).WithData(kept), nil
	case now == nil || *now != kept.New:
		return nil, stanch.Failuref(stanch.Conflict,
			"`%s` of %s is %s, which was not set here. Somebody changed it, and it is left as it is",
			key, named, orElse(now, "gone"))
	}
	plan := stanch.Planf("Take `%s` away from %s again", key, named)
	if kept.Old != nil {
		plan = stanch.Planf("Switch `%s` of %s back to %s", key, named, shown(*kept.Old))
	}
	patch := map[string]any{"data": map[string]any{key: kept.Old}}
	action := stanch.PatchObjectAction(object, "merge", patch).Because("It is still the value that was set here")
	return plan.Do(action).WithData(kept), nil
}

func read(params params) (*stanch.Object, error) {
	named := stanch.ConfigMap.Named(params.Namespace, params.Name)
	object, err := stanch.GetObject(named)
	switch {
	case err != nil:
		return nil, err
	case object.At("metadata", "deletionTimestamp") != nil:
		return nil, stanch.Failuref(stanch.Failed, "%s is being deleted", named)
	case object.At("immutable") == true:
		return nil, stanch.Failuref(stanch.Failed, "%s is immutable: nobody can change it, only replace it", named)
	}
	return object, nil
}

func valueOf(object *stanch.Object, key string) (*string, error) {
	if object.At("binaryData", key) != nil {
		return nil, stanch.Failuref(stanch.Failed, "`%s` of %s is binary, and only text is switched", key, object.Named())
	}
	if value, ok := object.At("data", key).(string); ok {
		return &value, nil
	}
	return nil, nil
}

func noSuchKey(object *stanch.Object, key string) error {
	entries, _ := object.At("data").(map[string]any)
	keys := make([]string, 0, len(entries))
	for key := range entries {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return stanch.Failuref(stanch.NotFound, "%s has no key `%s`; it has `%s`. Where it is to be added, say `add = true`",
		object.Named(), key, strings.Join(keys[:min(len(keys), 20)], "`, `"))
}

func same(one, other *string) bool {
	return one == nil && other == nil || one != nil && other != nil && *one == *other
}

func orElse(value *string, otherwise string) string {
	if value == nil {
		return otherwise
	}
	return shown(*value)
}

// shown is a value for people: one line, the beginning of it.
func shown(value string) string {
	all := []rune(value)
	line := slices.Clone(all[:min(len(all), mostShown)])
	for i, c := range line {
		if unicode.IsControl(c) {
			line[i] = ' '
		}
	}
	more := ""
	if len(line) < len(all) {
		more = "…"
	}
	return "`" + string(line) + more + "`"
}
