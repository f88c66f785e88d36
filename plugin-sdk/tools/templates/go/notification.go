// Posts a message to a chat's webhook.
package main

import (
	"github.com/stanch/stanch/plugin-sdk/go/notification"
	"github.com/stanch/stanch/plugin-sdk/go/stanch"
)

type settings struct {
	URL stanch.URL `json:"url"`
}

func init() {
	notification.Register(stanch.About{
		Name:    "{{name}}",
		Version: "0.1.0",
		Summary: "Posts a message to a chat's webhook",
		Asks:    stanch.Asks{Notify: []stanch.AskNotify{{URL: "https://chat.example/hook"}}},
	}, notify)
}

func notify(ctx *stanch.Context, _ struct{}, message *stanch.Message) error {
	settings, err := stanch.Settings[settings]()
	if err != nil {
		return err
	}
	text := map[string]string{"text": message.Title + "\n" + message.Text}
	answer, err := stanch.Post(settings.URL).JSON(text).Send()
	if err != nil {
		return err
	}
	return answer.OK()
}

func main() {}
