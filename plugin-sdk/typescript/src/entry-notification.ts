/** The entry of a component that is a notification plugin: bundled with the plugin in the place of `@stanch/the-plugin`. */

import plugin from "@stanch/the-plugin";
import { exportsOf } from "./component.js";

export const { manifest, notification } = exportsOf(plugin, "notification");
