// The first path of somebody who has never heard of it, in each browser.

import { test } from "node:test";
import { BROWSERS } from "./browsers.mjs";
import { walkFirstPath } from "./first-path.mjs";

for (const [name, start] of Object.entries(BROWSERS)) {
  test(`a map, a TV, fog, a token, music, a saved scene, a phone, a crash: the first evening in ${name}`, async (t) => walkFirstPath(t, await start(t)));
}
