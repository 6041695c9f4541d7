// The live client in Chromium against the real server.

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { DEMO, openPage, startBrowser, startPages, startServer } from "./server.mjs";

/** Pages behind others are not painted: ask by the clock, not by the frame. */
const POLL = { polling: 50 };

const SCENE = {
  id: "crypt", name: "The crypt", activeMapId: "crypt.png",
  maps: [
    { name: "crypt.png", data: { position: { x: 9, y: 16 }, isHidden: false } },
    { name: "secret lair.png", data: { position: { x: 0, y: 0 }, isHidden: true } },
  ],
  gridSettings: { showGrid: true, gridSize: 50 },
  initiativeOrder: [
    { id: "i1", name: "Brenna", initiative: 21, isPlayer: true, hp: 20, initialHP: 20 },
    { id: "i2", name: "Gnoll", initiative: 14, isPlayer: false, hp: 12, initialHP: 20 },
  ],
  aoeMarkers: [], fogOfWar: [], gm_notes: "the floor is a mimic",
};

const set = (value, ...path) => ({ op: "set", path, value });
const size = (value) => set(value, "gridSettings", "gridSize");

/** A page that is connected, in a browser window of its own, where nobody knows it. */
async function sitDown(browser, server, role, name) {
  const { page, problems } = await openPage(await browser.createBrowserContext());
  await page.goto(`${server.base}/ui/icon.svg`);
  await page.evaluate(async (role, name) => {
    const { Live } = await import("/ui/live.js");
    const received = [];
    let held = null;
    /** A socket whose messages may be made to wait. */
    class Socket extends WebSocket {
      addEventListener(type, listener, options) {
        if (type !== "message") return super.addEventListener(type, listener, options);
        super.addEventListener(type, (event) => {
          received.push(event.data);
          if (held) held.push(() => listener(event));
          else listener(event);
        }, options);
      }
    }
    const live = new Live({ name, role, WebSocket: Socket, device: { width: 800, height: 600, dpr: 1 } });
    const events = [];
    for (const type of ["status", "conflict", "reset", "error", "ended", "chat", "rolled", "hint", "signal", "display"]) {
      live.addEventListener(type, ({ detail }) => events.push({ type, detail }));
    }
    const hold = () => { held = []; };
    const release = () => {
      const waiting = held;
      held = null;
      for (const take of waiting) take();
    };
    globalThis.seat = { live, events, received, hold, release };
    live.connect();
  }, role, name);
  const act = (work, ...given) => page.evaluate(work, ...given);
  const until = async (test, ...given) => {
    await page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
      const now = await act(() => JSON.stringify({ scene: seat.live.state.scene, events: seat.events }));
      throw new Error(`${role} ${name} waited in vain for ${test} ${JSON.stringify(given)}: ${now}`, { cause });
    });
  };
  await until(() => seat.live.state.status === "live");
  const scene = () => act(() => seat.live.state.scene);
  /** The answer to a change, or the code with which it was refused. */
  const change = (edits) => act((edits) => seat.live.change(edits).then(({ seq }) => seq, ({ code }) => code), edits);
  const shows = (value, ...path) => until((value, path) => {
    const there = path.reduce((at, step) => at?.[step], seat.live.state.scene);
    return JSON.stringify(there) === JSON.stringify(value);
  }, value, path);
  return { page, problems, act, until, scene, change, shows };
}

async function startTable(t) {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const gm = await sitDown(browser, server, "gm", "Gary");
  await gm.act((scene) => seat.live.changeScene(scene), SCENE);
  return { server, browser, gm, sit: (role, name) => sitDown(browser, server, role, name) };
}

test("what one page does appears on the others, in SpellTable too, and players see their part", async (t) => {
  const { server, browser, gm, sit } = await startTable(t);
  const pages = await startPages(t);
  for (const { name } of SCENE.maps) await copyFile(path.join(DEMO, "maps/crypt.jpg"), path.join(server.data, "maps", name));
  const [other, player] = await Promise.all([sit("gm", "Bo"), sit("player", "Ada")]);
  const spelltable = await openPage(browser);
  await spelltable.page.goto(`${pages}/admin.html?mode=newest&api=${encodeURIComponent(server.origin)}`);
  const inSpelltable = (wanted) => spelltable.page.waitForFunction((wanted) => JSON.stringify(admin.scene) === wanted, POLL, JSON.stringify(wanted));
  await inSpelltable(SCENE);
  assert.deepEqual(await other.scene(), SCENE);

  await gm.change([size(70), { op: "insert", path: ["aoeMarkers"], value: { id: "m1", shape: "cone", revealed: true } }]);
  await gm.change([set("a trap", "gm_notes")]);
  for (const page of [other, player]) await page.shows(70, "gridSettings", "gridSize");
  await other.shows("a trap", "gm_notes");
  await inSpelltable(await gm.scene());

  await spelltable.page.evaluate(() => admin.mark("m2"));
  for (const page of [gm, other, player]) await page.until(() => seat.live.state.scene.aoeMarkers.length === 2);
  const scenes = await Promise.all([gm.scene(), other.scene()]);
  assert.deepEqual(scenes[0], scenes[1]);
  assert.deepEqual(scenes[0], await spelltable.page.evaluate(() => admin.scene));

  const seen = await player.scene();
  assert.deepEqual(seen.maps.map(({ name }) => name), ["crypt.png"]);
  assert.deepEqual(seen.initiativeOrder[1], { id: "i2", name: "Gnoll", initiative: 14, isPlayer: false, health: "hurt" });
  const everything = await player.act(() => seat.received.join("\n"));
  for (const secret of ["secret lair", "mimic", "gm_notes", "a trap"]) assert.ok(!everything.includes(secret), secret);
  // A thing that is shown arrives, one that is hidden goes.
  await gm.change([set(false, "maps", { name: "secret lair.png" }, "data", "isHidden")]);
  await player.until(() => seat.live.state.scene.maps.length === 2);
  await gm.change([set(true, "maps", { name: "crypt.png" }, "data", "isHidden")]);
  await player.until(() => seat.live.state.scene.maps.length === 1 && seat.live.state.scene.activeMapId === null);
  for (const { problems } of [gm, other, player, spelltable]) assert.deepEqual(problems, []);
});

test("a change that somebody else was faster with is taken back", async (t) => {
  const { gm, sit } = await startTable(t);
  const other = await sit("gm", "Bo");
  await other.act(() => seat.hold());
  await gm.change([size(70)]);
  const answer = other.change([size(80), set("mine", "name")]);
  await other.shows(80, "gridSettings", "gridSize");
  assert.deepEqual(await other.act(() => [seat.live.state.pending, seat.live.state.confirmed.gridSettings.gridSize]), [1, 50]);
  await other.until(() => seat.received.some((text) => text.includes('"nack"')));
  await other.act(() => seat.release());
  assert.equal(await answer, "conflict");
  await other.shows(70, "gridSettings", "gridSize");
  const [conflict, state] = await other.act(() => {
    const { detail: { edits, error: { code, current, head } } } = seat.events.find(({ type }) => type === "conflict");
    return [{ edits, code, current, head }, { pending: seat.live.state.pending, name: seat.live.state.scene.name, seq: seat.live.state.seq }];
  });
  assert.deepEqual(conflict, { edits: [size(80), set("mine", "name")], code: "conflict", current: 70, head: 2 });
  assert.deepEqual(state, { pending: 0, name: "The crypt", seq: 2 });
  // The GM may insist.
  await other.act((edits) => seat.live.change(edits, { force: true }), [size(80)]);
  await gm.shows(80, "gridSettings", "gridSize");
});

for (const signal of ["SIGTERM", "SIGKILL"]) {
  test(`all come back by themselves after ${signal}, and nothing is lost`, async (t) => {
    const { server, gm, sit } = await startTable(t);
    const player = await sit("player", "Ada");
    const { id } = await player.act(() => seat.live.state.you);
    await gm.act((id) => seat.live.assign("i1", id), id);
    await gm.change([size(70)]);
    await gm.act(() => seat.live.chat("before"));
    const restarted = server.restart(signal);
    for (const page of [gm, player]) await page.until(() => seat.live.state.status !== "live");
    // What is done meanwhile waits.
    const [moved, said, sized] = await Promise.all([
      player.act(() => { globalThis.moved = seat.live.change([{ op: "set", path: ["initiativeOrder", { id: "i1" }, "mapPosition"], value: { x: 3, y: 4 } }]); }),
      player.act(() => { globalThis.said = seat.live.chat("meanwhile"); }),
      gm.act(() => { globalThis.kept = seat.live.changeScene({ ...seat.live.state.scene, name: "Deeper" }); }),
    ]);
    assert.deepEqual([moved, said, sized], [undefined, undefined, undefined]);
    await restarted;
    for (const page of [gm, player]) await page.until(() => seat.live.state.status === "live");
    assert.equal(await player.act(async () => (await globalThis.said).chat_seq), 2);
    // One of them is first; the other's change does not touch the same, but is based on a past that is over.
    const outcomes = [
      await player.act(() => globalThis.moved.then(() => "done", ({ code }) => code)),
      await gm.act(() => globalThis.kept.then(() => "done", ({ code }) => code)),
    ];
    assert.ok(outcomes.includes("done"), String(outcomes));
    assert.equal(await gm.act(() => seat.live.state.you.name), "Gary");
    assert.equal(await player.act(() => seat.live.state.you.id), id);
    if (outcomes[1] === "done") await player.shows("Deeper", "name");
    if (outcomes[0] === "done") await gm.until(() => seat.live.state.scene.initiativeOrder[0].mapPosition?.x === 3);
    await gm.shows(70, "gridSettings", "gridSize");
    assert.deepEqual(await gm.act(() => seat.live.state.chat.map(({ text }) => text)), ["before", "meanwhile"]);
    for (const page of [gm, player]) {
      assert.deepEqual(await page.act(() => seat.events.filter(({ type }) => type === "reset")), []);
      assert.equal(await page.act(() => seat.live.state.pending), 0);
    }
    await gm.change([size(71)]);
    await player.shows(71, "gridSettings", "gridSize");
  });
}

test("members, chat, dice, sound, screens, hints and the clock, as the pages know them", async (t) => {
  const { gm, sit } = await startTable(t);
  const [player, screen] = await Promise.all([sit("player", "Ada"), sit("display", "TV")]);
  const you = (page) => page.act(() => seat.live.state.you);
  const [{ id: ada }, { id: tv }] = await Promise.all([you(player), you(screen)]);
  await gm.until(() => seat.live.state.members.length === 3);

  assert.equal(await player.change([set(3, "initiativeOrder", { id: "i1" }, "initiative")]), "forbidden");
  await player.shows(21, "initiativeOrder", 0, "initiative");
  await gm.act((ada) => seat.live.assign("i1", ada), ada);
  await player.until(() => seat.live.state.you.entries?.[0] === "i1");
  assert.equal(typeof (await player.change([set(3, "initiativeOrder", { id: "i1" }, "initiative")])), "number");
  await gm.shows(3, "initiativeOrder", 0, "initiative");

  await player.act(() => seat.live.chat("hello"));
  await player.act(() => seat.live.roll("2d20kh1+5", "gm"));
  await gm.until(() => seat.live.state.chat.length === 2);
  assert.deepEqual(await gm.act(() => seat.live.state.chat.map((line) => line.text ?? line.expr)), ["hello", "2d20kh1+5"]);
  assert.equal(await screen.act(() => seat.live.state.chat.length), 1);

  const tracks = (page, count) => page.until((count) => seat.live.state.audio.tracks.length === count, count);
  await gm.act(() => seat.live.audio({ action: "play", track: "rain", volume: 0.5, loop: true }));
  for (const page of [gm, player, screen]) await tracks(page, 1);
  assert.deepEqual(await player.act(() => seat.live.state.audio), await gm.act(() => seat.live.state.audio));
  await gm.act(() => seat.live.audio({ action: "volume", track: "rain", volume: 1, route: "display" }));
  await tracks(player, 0);
  await tracks(screen, 1);

  await gm.act((tv) => seat.live.display({ action: "rotate", target: tv, rotation: 90 }), tv);
  await gm.act((tv) => seat.live.display({ action: "identify", target: tv }), tv);
  await screen.until(() => seat.events.some(({ type, detail }) => type === "display" && detail.action === "identify"));
  const told = await screen.act(() => seat.live.state.displays);
  assert.equal(told[tv].rotation, 90);
  await gm.until((tv) => seat.live.state.displays[tv]?.rotation === 90, tv);

  await gm.act(() => seat.live.hint("ping", "", { x: 1, y: 2 }));
  await gm.act((ada) => seat.live.signal(ada, { sdp: "v=0" }), ada);
  await player.until(() => seat.events.some(({ type }) => type === "signal"));
  await player.until(() => seat.events.some(({ type, detail }) => type === "hint" && detail.data.y === 2));
  assert.deepEqual(await screen.act(() => seat.events.filter(({ type }) => type === "signal")), []);

  // All pages are on one machine with the server: their clocks need no help.
  for (const page of [gm, player, screen]) {
    await page.until(() => seat.received.filter((text) => text.startsWith('{"type":"time"')).length >= 5 && Math.abs(seat.live.now() - Date.now()) <= 10);
  }

  // A page that is loaded anew, in the same window, is the same member in the same state.
  await screen.page.reload();
  const again = await screen.page.evaluate(async () => {
    const { Live } = await import("/ui/live.js");
    const live = new Live({ name: "TV", role: "display" });
    return new Promise((resolve) => {
      live.addEventListener("status", ({ detail }) => detail === "live" && resolve({ id: live.state.you.id, displays: live.state.displays }));
      live.connect();
    });
  });
  assert.deepEqual(again, { id: tv, displays: told });

  const kicked = await gm.act((ada) => seat.live.kick(ada), ada);
  assert.equal(kicked.kicked, ada);
  await player.until(() => seat.events.some(({ type, detail }) => type === "ended" && detail.code === 4403));
  await gm.until(() => seat.live.state.members.every(({ name }) => name !== "Ada"));
  for (const { problems } of [gm, player, screen]) assert.deepEqual(problems, []);
});
