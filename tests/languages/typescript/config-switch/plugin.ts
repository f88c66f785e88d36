/**
 * `config-switch`: sets one key of a ConfigMap to another value.
 *
 * It is planned for the very version of the ConfigMap that was read, so nothing that somebody else writes meanwhile is lost. The
 * way back puts the old value back, or takes the key away where there was none, and only while the value is still the one that
 * was set here.
 */

import { Action, Failure, Finding, type Infer, kubernetes, remediation, schema as s } from "@stanch/plugin";

/** Longer values are configuration files and no switches. */
const LONGEST = 16 * 1024;
/** Of a value, for people. */
const SHOWN = 120;

const params = s.object({
  namespace: s.string("Where it is.", { minLength: 1 }),
  name: s.string("What it is called.", { minLength: 1 }),
  key: s.string("Which key.", { pattern: "^[-._a-zA-Z0-9]{1,253}$" }),
  value: s.string("Its value then."),
  from: s.optional(s.list(s.string(), "Only where its value now is one of these."), []),
  add: s.optional(s.boolean("Also where there is no such key yet; else that is taken for a mistake."), false),
});

const data = s.object(
  {
    uid: s.string("Which ConfigMap it was: another of the same name has another."),
    old: s.nullable(s.string("The value before; none where there was no such key.")),
    new: s.string("The value then."),
  },
  "What was there, and what is set.",
);

type Params = Infer<typeof params>;

export default remediation({
  name: "config-switch",
  version: "0.1.0",
  summary: "Switches the value of a key of a ConfigMap",
  // Each action is for one version: a repeat finds another.
  idempotent: true,
  asks: {
    kubernetes: [
      {
        clusters: ["eu"],
        verbs: ["get", "patch"],
        resources: ["configmaps"],
        namespaces: ["inference"],
        names: ["flags"],
      },
    ],
  },
  params,
  data,

  plan(_, params) {
    const { key, value, from, add } = params;
    const map = read(params);
    const named = kubernetes.nameOf(map.named);
    const old = valueOf(map, key);
    const data = { uid: map.uid, old, new: value };
    if (s.utf8Length(value) > LONGEST || s.utf8Length(old ?? "") > LONGEST) {
      throw Failure.invalidParams(`A value of \`${key}\` is longer than 16 KiB: that is a file and no switch`);
    }
    if (old === value) {
      return { summary: `\`${key}\` of ${named} is ${shown(value)} already`, actions: [], data };
    }
    if (old !== null && from.length > 0 && !from.includes(old)) {
      const only = from.map(shown).join(" or ");
      throw Failure.failed(`\`${key}\` of ${named} is ${shown(old)}, and the runbook switches it from ${only} only`);
    }
    if (old === null && !add) throw noSuchKey(map, key);
    const summary =
      old === null
        ? `Add \`${key}\` to ${named}, as ${shown(value)}`
        : `Switch \`${key}\` of ${named} from ${shown(old)} to ${shown(value)}`;
    return { summary, actions: [Action.patchObject(map, { data: { [key]: value } })], data };
  },

  verify(_, params, made) {
    const data = made.plan.data ?? { uid: "", old: null, new: "" };
    const map = read(params);
    const now = valueOf(map, params.key);
    const said = now === null ? "not there" : shown(now);
    const well = map.uid === data.uid && now === data.new;
    return Finding.judged(well, `\`${params.key}\` of ${kubernetes.nameOf(map.named)} is ${said}`, { data });
  },

  planUndo(_, params, made) {
    const { data } = made.plan;
    if (data === undefined) throw Failure.failed("what was there before is not known");
    if (made.maybeDone().length === 0) return { summary: "Nothing was switched", actions: [], data };
    const { key } = params;
    const map = read(params);
    const named = kubernetes.nameOf(map.named);
    if (map.uid !== data.uid) throw Failure.conflict(`${named} is another one by now, and is left as it is`);
    const now = valueOf(map, key);
    if (now === data.old) return { summary: `\`${key}\` of ${named} is as it was before already`, actions: [], data };
    if (now !== data.new) {
      throw Failure.conflict(
        `\`${key}\` of ${named} is ${now === null ? "gone" : shown(now)}, which was not set here. ` +
          "Somebody changed it, and it is left as it is",
      );
    }
    const summary =
      data.old === null
        ? `Take \`${key}\` away from ${named} again`
        : `Switch \`${key}\` of ${named} back to ${shown(data.old)}`;
    const action = Action.patchObject(map, { data: { [key]: data.old } });
    return { summary, actions: [action.because("It is still the value that was set here")], data };
  },
});

function read({ namespace, name }: Params): kubernetes.KubeObject {
  const named = kubernetes.named(kubernetes.CONFIG_MAP, namespace, name);
  const map = kubernetes.get(named);
  if (map.at("metadata", "deletionTimestamp") !== undefined) {
    throw Failure.failed(`${kubernetes.nameOf(named)} is being deleted`);
  }
  if (map.at("immutable") === true) {
    throw Failure.failed(`${kubernetes.nameOf(named)} is immutable: nobody can change it, only replace it`);
  }
  return map;
}

function valueOf(map: kubernetes.KubeObject, key: string): string | null {
  if (map.at("binaryData", key) !== undefined) {
    throw Failure.failed(`\`${key}\` of ${kubernetes.nameOf(map.named)} is binary, and only text is switched`);
  }
  const value = map.at("data", key);
  return typeof value === "string" ? value : null;
}

function noSuchKey(map: kubernetes.KubeObject, key: string): Failure {
  const keys = Object.keys((map.at("data") as object | undefined) ?? {}).sort().slice(0, 20);
  return Failure.notFound(
    `${kubernetes.nameOf(map.named)} has no key \`${key}\`; it has \`${keys.join("`, `")}\`. ` +
      "Where it is to be added, say `add = true`",
  );
}

/** A value for people: one line, the beginning of it. */
function shown(value: string): string {
  const all = [...value];
  const line = all.slice(0, SHOWN).map((c) => (/[\u0000-\u001f\u007f-\u009f]/.test(c) ? " " : c));
  return `\`${line.join("")}${line.length < all.length ? "…" : ""}\``;
}
