package stanch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	host "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_host"
)

// Debugf writes a line for the plugin's author.
func Debugf(format string, values ...any) { host.Log(host.Level_Debug, fmt.Sprintf(format, values...)) }

// Infof writes a line worth keeping.
func Infof(format string, values ...any) { host.Log(host.Level_Info, fmt.Sprintf(format, values...)) }

// Warnf says that something is odd.
func Warnf(format string, values ...any) { host.Log(host.Level_Warn, fmt.Sprintf(format, values...)) }

// Errorf says that something went wrong. It makes no error.
func Errorf(format string, values ...any) { host.Log(host.Level_Error, fmt.Sprintf(format, values...)) }

// Now is the time as the host has it, recorded with the run.
func Now() time.Time { return time.UnixMilli(int64(host.NowMs())).UTC() }

// Remaining is how long this call may still take.
func Remaining() time.Duration { return time.Duration(host.RemainingMs()) * time.Millisecond }

// IsCancelled says whether the engine wants this call to end: a person cancelled the run, or the engine is shutting down.
func IsCancelled() bool { return host.IsCancelled() }

// Sleep waits. It ends early where the call is cancelled; the waiting counts against the call's time.
func Sleep(d time.Duration) {
	if d > 0 {
		host.Sleep(uint32(min(d.Milliseconds(), 1<<32-1)))
	}
}

// Settings are the operator's settings for this installation of the plugin (settings in stanch.toml).
func Settings[T any]() (T, error) {
	settings, err := Read[T]([]byte(host.Settings()))
	if err != nil {
		return settings, Failuref(InvalidParams, "The plugin's `settings` in stanch.toml do not fit: %v", err)
	}
	return settings, nil
}

// Read reads JSON as a struct: defaults of its tags first, members that it does not name refused.
func Read[T any](text []byte) (T, error) {
	var value T
	if err := setDefaults(&value); err != nil {
		return value, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return value, err
	}
	return value, requireAll(&value, text)
}
