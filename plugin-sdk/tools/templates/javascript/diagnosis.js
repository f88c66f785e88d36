// Does a health page answer 200?

import { Finding, diagnosis, http, schema } from "@stanch/plugin";

export default diagnosis({
  name: "{{name}}",
  version: "0.1.0",
  summary: "Says whether a health page answers 200",
  asks: { http: [{ url: "https://api.example/health", read: ["GET"] }] },
  params: schema.object({ url: schema.url("The health page.") }),

  diagnose(ctx, { url }) {
    const { status } = http.get(url).send();
    return Finding.judged(status === 200, `\`${url}\` answers ${status}`);
  },
});
