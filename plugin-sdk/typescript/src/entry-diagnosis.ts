/** The entry of a component that is a diagnosis plugin: bundled with the plugin in the place of `@stanch/the-plugin`. */

import plugin from "@stanch/the-plugin";
import { exportsOf } from "./component.js";

export const { manifest, diagnosis } = exportsOf(plugin, "diagnosis");
