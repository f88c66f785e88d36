package stanch

import (
	"encoding/json"
	"fmt"

	common "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_common"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Code is what the engine acts on. It retries Unavailable and Timeout where nothing was changed, and plans again on Conflict.
type Code string

const (
	// InvalidParams: the runbook, or the operator's settings, gave something that this plugin cannot use.
	InvalidParams Code = "invalid-params"
	// Denied: the host, or the system acted on, refused.
	Denied Code = "denied"
	// NotFound: what was named is not there.
	NotFound Code = "not-found"
	// Conflict: the world changed since the plan was made.
	Conflict Code = "conflict"
	// Unavailable: not reachable now.
	Unavailable Code = "unavailable"
	// Timeout: a time limit was reached.
	Timeout Code = "timeout"
	// Budget: another limit was reached.
	Budget Code = "budget"
	// Failed is anything else.
	Failed Code = "failed"
)

// Failure is why something did not work: a code that the engine acts on and a sentence for a tired reader: what failed, on
// what, and why. The host's own failures are returned as they are; any other error, and a panic, becomes one with the code
// Failed.
type Failure struct {
	Code    Code
	Message string
	// RetryAfterMs is when it may be worth another try; 0 where nobody knows.
	RetryAfterMs uint32
	// Extra is what else there is to say; nil where nothing is.
	Extra any
}

// Error is the sentence.
func (f *Failure) Error() string { return f.Message }

// Failuref makes a failure.
func Failuref(code Code, format string, values ...any) *Failure {
	return &Failure{Code: code, Message: fmt.Sprintf(format, values...)}
}

// CodeOf is the code of an error: Failed where it is none of the contract's.
func CodeOf(err error) Code {
	if failure := find(err); failure != nil {
		return failure.Code
	}
	return Failed
}

// During puts what was being done before an error's message and keeps its code.
func During(err error, format string, values ...any) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf(format, values...)
	if failure := find(err); failure != nil {
		told := *failure
		told.Message = doing + ": " + err.Error()
		return &told
	}
	return Failuref(Failed, "%s: %v", doing, err)
}

func find(err error) *Failure {
	for err != nil {
		if failure, ok := err.(*Failure); ok {
			return failure
		}
		wrapped, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil
		}
		err = wrapped.Unwrap()
	}
	return nil
}

func answer[T any](result witTypes.Result[T, common.Failure]) (T, error) {
	if result.IsOk() {
		return result.Ok(), nil
	}
	var none T
	said := result.Err()
	failure := &Failure{Code: Code(said.Code), Message: said.Message, RetryAfterMs: said.RetryAfterMs.SomeOr(0)}
	_ = json.Unmarshal([]byte(said.Extra), &failure.Extra)
	return none, failure
}

func option[T comparable](value T) witTypes.Option[T] {
	var none T
	if value == none {
		return witTypes.None[T]()
	}
	return witTypes.Some(value)
}
