// Puts an address on a blocklist, and takes it off again.

import { Action, Finding, type Infer, http, remediation, schema } from "@stanch/plugin";

const params = schema.object({
  list: schema.url("The blocklist's URL."),
  address: schema.string("What to block."),
});

export default remediation({
  name: "{{name}}",
  version: "0.1.0",
  summary: "Puts an address on a blocklist",
  idempotent: true,
  asks: { http: [{ url: "https://edge.example/blocked/*", read: ["GET"], change: ["PUT", "DELETE"] }] },
  params,

  plan(ctx, params) {
    if (http.get(entry(params)).send().status === 200) {
      return { summary: `\`${params.address}\` is blocked already`, actions: [] };
    }
    const put = Action.put(entry(params), { reason: "stanch" });
    return { summary: `Block \`${params.address}\``, actions: [put] };
  },

  verify(ctx, params) {
    const { status } = http.get(entry(params)).send();
    if (status === 200) return Finding.yes("It is on the list");
    if (status === 404) return Finding.no("It is not on the list");
    return Finding.unknown(`The list answers ${status}`);
  },

  planUndo(ctx, params, made) {
    return { summary: "Unblock", actions: made.maybeDone().map(({ words }) => Action.delete(words.target)) };
  },
});

function entry({ list, address }: Infer<typeof params>): string {
  return `${list}/${http.encode(address)}`;
}
