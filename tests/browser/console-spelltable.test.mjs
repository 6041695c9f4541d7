// The console and a page of SpellTable's at one table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConsole } from "./consoles.mjs";
import { SCENE, startTable } from "./tables.mjs";

test("what is moved on the console moves on SpellTable's socket, and the other way round", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  await console.until(() => document.querySelector("table-stage").tokens.length === 3);
  await console.press("Lock hall.png");
  await gm.act(() => new Promise((resolve, reject) => {
    globalThis.old = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
    old.onerror = reject;
    old.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type !== "scene_update") return;
      globalThis.shown = message.scene;
      resolve();
    };
    // Its pages are sent the scene when they come.
    if (globalThis.shown) resolve();
  }));
  await console.drag([425, 425], [625, 425]);
  await gm.until(() => shown.initiativeOrder[0].mapPosition.x === 12.5);
  // As its admin page moves something: it sends the whole scene. (Not what somebody else has moved in
  // this second: it could be that the page had not shown that yet.)
  await gm.act(() => {
    const scene = structuredClone(shown);
    scene.initiativeOrder[2].mapPosition.x = 3.5;
    scene.maps[0].data.position.y += 2;
    globalThis.sent = scene.maps[0].data.position.y;
    old.send(JSON.stringify({ type: "scene_update", scene }));
  });
  const y = await gm.act(() => sent);
  await console.until((y) => {
    const { scene } = document.querySelector("table-stage");
    return scene.initiativeOrder[2].mapPosition.x === 3.5 && scene.maps[0].data.position.y === y;
  }, y);
  assert.deepEqual(console.problems, []);
});
