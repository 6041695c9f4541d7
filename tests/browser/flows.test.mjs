// The diagrams in docs/flows can be drawn.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { DEMO, openPage, startBrowser } from "./server.mjs";

test("every diagram of the message flows is drawn", async (t) => {
  const folder = path.join(DEMO, "docs/flows");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".md"));
  assert.ok(names.length >= 5);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.addScriptTag({ path: path.join(DEMO, "tests/browser/node_modules/mermaid/dist/mermaid.min.js") });
  for (const name of names) {
    const text = await readFile(path.join(folder, name), "utf8");
    const diagrams = [...text.matchAll(/```mermaid\n([\s\S]*?)```/g)].map(([, diagram]) => diagram);
    assert.ok(diagrams.length > 0, name);
    for (const [at, diagram] of diagrams.entries()) {
      const drawn = await page.evaluate(async (diagram) => {
        try {
          const { svg } = await mermaid.render("drawn", diagram);
          return svg.includes("Syntax error") ? "a syntax error" : svg.startsWith("<svg") && "fine";
        } catch (error) {
          return String(error);
        }
      }, diagram);
      assert.equal(drawn, "fine", `${name}, diagram ${at + 1}`);
    }
  }
  assert.deepEqual(problems, []);
});
