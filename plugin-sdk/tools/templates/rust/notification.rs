//! Posts a message to a chat's webhook.

use stanch_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Url,
}

struct Plugin;

impl Notification for Plugin {
    type Params = Nothing;
    const ABOUT: About = about!("Posts a message to a chat's webhook");

    fn asks() -> Value {
        json!({ "notify": [{ "url": "https://chat.example/hook" }] })
    }

    fn notify(_: &Context, _: Nothing, message: &Message) -> Result<(), Failure> {
        let settings: Settings = host::settings()?;
        let text = format!("{}\n{}", message.title, message.text);
        http::post(&settings.url).json(&json!({ "text": text }))?.send()?.ok()?;
        Ok(())
    }
}

stanch_plugin::export!(Plugin as notification);
