/** The entry of a component that is a remediation plugin: bundled with the plugin in the place of `@stanch/the-plugin`. */

import plugin from "@stanch/the-plugin";
import { exportsOf } from "./component.js";

export const { manifest, remediation } = exportsOf(plugin, "remediation");
