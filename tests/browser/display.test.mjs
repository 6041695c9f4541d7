// The page of a screen at the table.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { DEMO } from "./server.mjs";
import { assertNothingSecret, COLORS, faultsOf, numberOf, openGuest, SCENE, startTable, weigh, wear } from "./tables.mjs";

const TV = { width: 1280, height: 720 };
const { red, blue, black, brenna } = COLORS;

/** A screen that is let in, and the GM's name for it. */
async function startScreen(t, flags) {
  const table = await startTable(t, flags);
  const tv = await openGuest(table.browser, TV);
  await tv.page.goto(`${table.server.base}/display`);
  await table.gm.pair(await numberOf(tv));
  const { id } = await table.gm.member("Screen");
  const direct = (action) => table.gm.act((action) => live.display(action), { target: id, ...action });
  return { ...table, tv, id, direct };
}

test("a screen pairs by its number, waits, and shows what is on the table, and nothing that is hidden", async (t) => {
  const { server, browser, gm } = await startTable(t, ["--players", "code"]);
  const tv = await openGuest(browser, TV);
  await tv.page.goto(`${server.base}/display`);
  const number = await numberOf(tv);
  await tv.says(".display-card", "confirm this number");
  const { body } = await gm.rest("GET", "/tables/main/pair");
  assert.deepEqual(body.waiting.map((display) => display.number), [number]);
  assert.equal((await gm.pair("000000")).status, number === "000000" ? 200 : 404);
  assert.equal((await gm.pair(number)).status, 200);
  await tv.says(".display-card", "Waiting for the GM");

  await gm.show(SCENE);
  // The table's 1600 × 900 units fill the screen's 1280 × 720 pixels.
  await tv.shows([100, 300, red], [1200, 200, blue], [1200, 600, black], [160, 120, [0, 255, 0]], [160, 560, red], [331, 332, brenna]);
  await gm.change({ op: "set", path: ["initiativeOrder", { id: "i1" }, "mapPosition"], value: { x: 12.5, y: 8.5, useGridCoordinates: true } });
  await tv.shows([331, 332, red], [491, 332, brenna]);
  // A thing that is shown arrives, one that is hidden goes.
  await gm.change({ op: "delete", path: ["fogOfWar", { id: "f1" }] });
  await tv.shows([1200, 560, blue]);
  await gm.change({ op: "insert", path: ["fogOfWar"], value: SCENE.fogOfWar[0] });
  await tv.shows([1200, 560, black]);
  await gm.change({ op: "set", path: ["maps", { name: "hall.png" }, "data", "position"], value: { x: 0, y: 9 } });
  await tv.shows([100, 300, blue], [900, 300, black.map(() => 10)]);
  assert.deepEqual(tv.problems, []);
  // The place of whoever lurks was told while there was no fog; the rest never.
  assertNothingSecret(tv.received.filter((text) => !text.includes('"x":29')));
  assert.equal(tv.received.filter((text) => text.includes('"x":29')).length, 1);
});

test("the GM blanks, turns, frames and names a screen, and it stays so when it reloads", async (t) => {
  const { gm, tv, direct } = await startScreen(t);
  await gm.show({ ...SCENE, fogOfWar: [], initiativeOrder: [], aoeMarkers: [] });
  await tv.shows([100, 300, red], [1200, 300, blue]);
  await direct({ action: "rotate", rotation: 180 });
  await tv.shows([100, 300, blue], [1200, 300, red]);
  await direct({ action: "rotate", rotation: 90 });
  await tv.shows([640, 100, red], [640, 600, blue]);
  await direct({ action: "rotate", rotation: 0 });
  await direct({ action: "view", x: 850, y: 100, width: 700, height: 300 });
  await tv.shows([20, 300, blue], [1200, 300, blue]);
  await direct({ action: "name", name: "Long wall" });
  await direct({ action: "identify" });
  await tv.says(".display-label", "Long wall");
  await direct({ action: "blank" });
  await tv.until(() => document.querySelector(".display-curtain").checkVisibility());
  await tv.page.reload();
  await tv.until(() => document.querySelector(".display-curtain").checkVisibility());
  await direct({ action: "unblank" });
  await tv.until(() => !document.querySelector(".display-curtain").checkVisibility());
  await tv.shows([20, 300, blue], [1200, 300, blue]);
  await direct({ action: "view" });
  await tv.shows([20, 300, red], [1200, 300, blue]);
  assert.deepEqual(tv.problems, []);
});

test("a server that was killed is back on the screen by itself, without a reload", async (t) => {
  const { server, gm, tv, direct } = await startScreen(t, ["--players", "code"]);
  await gm.show({ ...SCENE, fogOfWar: [] });
  await direct({ action: "rotate", rotation: 180 });
  await tv.shows([100, 300, blue]);
  const opened = await tv.page.evaluate(() => performance.timeOrigin);
  const moved = gm.act(() => { globalThis.moved = live.change([{ op: "set", path: ["initiativeOrder", { id: "i1" }, "mapPosition"], value: { x: 2.5, y: 2.5, useGridCoordinates: true } }]); });
  await moved;
  await server.restart("SIGKILL");
  const start = performance.now();
  // Turned by 180 degrees, the token stands at the lower right.
  await tv.shows([100, 300, blue], [1280 - 91, 720 - 88, brenna]);
  // How long it takes where nothing else runs is no matter of a test: it is told.
  t.diagnostic(`right again after ${(performance.now() - start).toFixed()} ms`);
  await gm.act(() => globalThis.moved);
  assert.equal(await tv.page.evaluate(() => performance.timeOrigin), opened);
});

test("a screen that was removed says so, and can be paired again", async (t) => {
  const { gm, tv, id } = await startScreen(t);
  await gm.act((id) => live.kick(id), id);
  await tv.says(".display-card", "The GM has removed this screen");
  await gm.pair(await numberOf(tv));
  await tv.says(".display-card", "Waiting for the GM");
  const again = await gm.member("Screen");
  assert.notEqual(again.id, id);
});

test("the GM sees that a screen cannot be heard, and one tap mends it", async (t) => {
  const { server, browser, gm } = await startTable(t);
  await gm.act(async (base64) => {
    const form = new FormData();
    form.append("category", "loop");
    form.append("file", new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], "drips.ogg"));
    const answer = await fetch("/audio/upload", { method: "POST", body: form });
    if (!answer.ok) throw new Error(await answer.text());
  }, await readFile(path.join(DEMO, "sounds/loop/Ambience/crypt-drips.ogg"), "base64"));
  const tv = await openGuest(browser, TV);
  await tv.page.evaluateOnNewDocument(() => {
    globalThis.played = [];
    // As a browser does until somebody touches the page; to this one, a test that looks at it has touched it.
    let isTouched = false;
    addEventListener("pointerdown", () => { isTouched = true; }, { capture: true });
    Object.defineProperty(navigator, "userActivation", { get: () => ({ hasBeenActive: isTouched, isActive: isTouched }) });
    globalThis.AudioContext = class {
      state = "suspended";
      resume() { return new Promise(() => {}); }
      close() { return Promise.resolve(); }
    };
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      if (!(this instanceof HTMLAudioElement)) return play.call(this);
      if (!isTouched) return Promise.reject(new DOMException("nobody has touched this", "NotAllowedError"));
      played.push(this);
      return play.call(this);
    };
  });
  await tv.page.goto(`${server.base}/display`);
  await gm.pair(await numberOf(tv));
  const { id } = await gm.member("Screen");
  await gm.until((id) => live.state.members.find((member) => member.id === id)?.device?.sound === "blocked", id);
  await tv.says(".display-corner", "Tap the screen once for sound");
  const { track, started } = await gm.act(async () => {
    const [sound] = Object.values((await (await fetch("/audio/list")).json()).loop).flat();
    await live.audio({ action: "play", track: sound.id, loop: true, volume: 0.5, position: 3, route: "display" });
    return { track: sound.id, started: live.now() };
  });
  await tv.page.mouse.click(300, 300);
  await tv.until(() => played.some((sound) => !sound.paused && sound.currentTime > 3 && sound.loop && sound.volume === 0.5));
  await gm.until((id) => live.state.members.find((member) => member.id === id)?.device?.sound === "on", id);
  await tv.until(() => !document.querySelector(".display-corner").textContent.includes("Tap"));
  // It is where the others are.
  const secondsSince = async () => (await gm.act(() => live.now()) - started) / 1000;
  const before = await secondsSince();
  const at = await tv.page.evaluate(() => played.find((sound) => !sound.paused).currentTime);
  const after = await secondsSince();
  assert.ok(at - 3 > before - 1 && at - 3 < after + 1, `${at} s, between ${before} and ${after} s later`);
  await gm.act((id) => live.display({ action: "mute", target: id }), id);
  await tv.until(() => played.every((sound) => sound.muted));
  await gm.act((track) => live.audio({ action: "stop", track }), track);
  await tv.until(() => played.every((sound) => sound.paused));
});

test("a screen stays awake, with a wake lock or with a film of nothing", async (t) => {
  const { server, browser } = await startTable(t);
  const [locks, plays] = [await openGuest(browser, TV), await openGuest(browser, TV)];
  await locks.page.evaluateOnNewDocument(() => {
    globalThis.asked = 0;
    const request = () => {
      asked += 1;
      return Promise.resolve(Object.assign(new EventTarget(), { released: false, release: () => Promise.resolve() }));
    };
    Object.defineProperty(navigator, "wakeLock", { value: { request } });
  });
  // As on an address without TLS.
  await plays.page.evaluateOnNewDocument(() => { delete Navigator.prototype.wakeLock; });
  for (const { page } of [locks, plays]) await page.goto(`${server.base}/display`);
  await locks.until(() => asked === 1 && document.querySelector("video") === null);
  await plays.until(() => {
    const film = document.querySelector("video");
    return film !== null && !film.paused && film.loop && film.muted && film.currentTime > 0;
  });
  for (const { problems } of [locks, plays]) assert.deepEqual(problems, []);
});

test("in true size a cell is an inch as somebody has measured it, also after a reload", async (t) => {
  const { gm, tv } = await startScreen(t);
  await gm.show(SCENE);
  await tv.shows([100, 300, red]);
  await tv.page.mouse.move(200, 200);
  await tv.page.click(".display-button");
  await tv.page.waitForSelector("dialog[open]");
  const cell = () => tv.page.$eval("table-stage", (stage) => stage.camera.zoom * stage.grid.cell);
  await tv.page.$eval('dialog input[type="range"]', (slider) => {
    slider.value = "72";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  });
  assert.equal(Math.round(await tv.page.$eval(".card-bar", (bar) => bar.getBoundingClientRect().width)), Math.round(72 * 85.6 / 25.4));
  assert.equal(await cell(), 40);
  await tv.page.evaluate(() => [...document.querySelectorAll("dialog .check")].find((label) => label.textContent.includes("True size")).querySelector("input").click());
  assert.ok(Math.abs((await cell()) - 72) < 1e-6);
  assert.deepEqual(await faultsOf(tv.page), []);
  await tv.page.keyboard.press("Escape");
  await tv.page.reload();
  await tv.until(() => Math.abs(document.querySelector("table-stage").camera.zoom * 50 - 72) < 1e-6);
});

for (const scheme of ["dark", "light"]) {
  test(`the screen's page is light to load and without barriers, ${scheme}`, async (t) => {
    const { server, browser, gm } = await startTable(t);
    const tv = await openGuest(browser, TV);
    await wear(tv.page, scheme);
    const bytes = await weigh(tv.page, `${server.base}/display`).catch((error) => error);
    assert.ok(bytes < 200_000, `${bytes} bytes`);
    const number = await numberOf(tv);
    assert.deepEqual(await faultsOf(tv.page), []);
    await gm.pair(number);
    await tv.says(".display-card", "Waiting for the GM");
    assert.deepEqual(await faultsOf(tv.page), []);
    await gm.show(SCENE);
    await tv.shows([100, 300, red]);
    assert.deepEqual(await faultsOf(tv.page), []);
  });
}
