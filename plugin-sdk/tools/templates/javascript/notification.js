// Posts a message to a chat's webhook.

import { host, http, notification, schema } from "@stanch/plugin";

const settings = schema.object({ url: schema.url("The webhook.") });

export default notification({
  name: "{{name}}",
  version: "0.1.0",
  summary: "Posts a message to a chat's webhook",
  asks: { notify: [{ url: "https://chat.example/hook" }] },
  params: schema.nothing,

  notify(ctx, params, { title, text }) {
    http.post(host.settings(settings).url).json({ text: `${title}\n${text}` }).send().ok();
  },
});
