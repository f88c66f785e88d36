"""Posts a message to a chat's webhook."""

from dataclasses import dataclass

from stanch import About, Context, Message, Notification, Url, host, http


@dataclass
class Params:
    pass


@dataclass
class Settings:
    url: Url


class Plugin(Notification[Params]):
    about = About("{{name}}", "0.1.0", "Posts a message to a chat's webhook")
    asks = {"notify": [{"url": "https://chat.example/hook"}]}

    def notify(self, ctx: Context, params: Params, message: Message) -> None:
        text = f"{message.title}\n{message.text}"
        http.post(host.settings(Settings).url).json({"text": text}).send().ok()
