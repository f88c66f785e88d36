// Package stanch is for writing plugins for stanch in Go.
//
// A plugin is a program whose package main registers one kind of plugin in init: diagnosis.Register, remediation.Register or
// notification.Register. Parameters and data are structs; their JSON Schema is made of their tags. `stanch plugin build` makes
// a component of it with the standard toolchain.
//
//	type Params struct {
//		URL stanch.URL `json:"url" doc:"The health page."`
//	}
//
//	func init() {
//		diagnosis.Register(stanch.About{Name: "health", Version: "0.1.0", Summary: "…"}, diagnose)
//	}
//
//	func diagnose(ctx *stanch.Context, params Params) (*stanch.Finding, error) {
//		answer, err := stanch.Get(params.URL).Send()
//		if err != nil {
//			return nil, err
//		}
//		return stanch.Judged(answer.Status == 200, "`%s` answers %d", params.URL, answer.Status), nil
//	}
//
//	func main() {}
package stanch
