// The live client against sockets and timers made of paper: every rule of the protocol by itself.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { applyEdits } from "../../assets/live/edits.js";
import { Connection, Table } from "./live-table.mjs";
import { outcome, Page, randomFrom, SCENE, set, settle, size } from "./live-world.mjs";

const MINUTE = 60_000;

suite("edits", () => {
  const vectors = JSON.parse(readFileSync(new URL("../vectors/edits.json", import.meta.url), "utf8"));
  for (const { name, doc, edits, result, error } of vectors) {
    test(`as everywhere: ${name}`, () => {
      const before = structuredClone(doc);
      if (error) assert.throws(() => applyEdits(doc, edits), { name: "EditError", code: error });
      else assert.deepEqual(applyEdits(doc, edits), result);
      assert.deepEqual(doc, before);
    });
  }

  test("an edited document shares with the old one what was not touched", () => {
    const after = applyEdits(SCENE, [set([{ x: 1 }], "fogOfWar", { id: "f2" }, "points")]);
    assert.equal(after.maps, SCENE.maps);
    assert.equal(after.gridSettings, SCENE.gridSettings);
    assert.equal(after.fogOfWar[0], SCENE.fogOfWar[0]);
    assert.notEqual(after.fogOfWar, SCENE.fogOfWar);
  });

  test("a key called __proto__ changes no other object", () => {
    const doc = JSON.parse('{"__proto__":{"x":1},"a":{"__proto__":{"deep":1}}}');
    const after = applyEdits(doc, [set(2, "__proto__", "x"), set(true, "a", "__proto__", "deep"), set({}, "constructor")]);
    assert.equal(JSON.stringify(after), '{"__proto__":{"x":2},"a":{"__proto__":{"deep":true}},"constructor":{}}');
    assert.equal({}.x, undefined);
    assert.equal(after.x, undefined);
  });
});

suite("connection", () => {
  test("hello is the first message and says who is there", () => {
    const device = { width: 800, height: 600, dpr: 2 };
    const page = new Page({ table: "side", device, token: "t" });
    page.live.connect();
    assert.equal(page.state.status, "connecting");
    assert.deepEqual(page.socket.sent, []);
    page.socket.opens();
    assert.deepEqual(page.socket.sent, [{ type: "hello", proto: 1, table: "side", name: "Ada", role: "gm", token: "t", device }]);
    assert.equal(page.socket.protocol, "tablekeep.v1");
  });

  test("the address is the page's own server", (t) => {
    for (const [location, url] of [
      [{ protocol: "http:", host: "laptop.local:8010" }, "ws://laptop.local:8010/ws/table"],
      [{ protocol: "https:", host: "table.example" }, "wss://table.example/ws/table"],
    ]) {
      globalThis.location = location;
      t.after(() => delete globalThis.location);
      const page = new Page({ url: undefined });
      page.live.connect();
      assert.equal(page.socket.url, url);
    }
  });

  test("nothing counts before the welcome", () => {
    const page = new Page();
    page.live.connect();
    page.socket.opens();
    page.socket.says({ type: "scene", epoch: "e", seq: 9, scene: SCENE });
    page.socket.says({ type: "change", epoch: "e", seq: 9, prev: 0, edits: [size(1)] });
    assert.equal(page.state.scene, null);
    assert.equal(page.live.hint("ping", "k", 1), false);
    assert.equal(page.socket.sent.length, 1);
  });

  test("after the welcome everything is in place before status says live", () => {
    const page = new Page();
    let seen;
    page.live.addEventListener("status", () => (seen = { ...page.state }));
    page.live.connect();
    page.socket.opens();
    page.welcome({ chat: [{ chat_seq: 1, from: "m2", text: "hi" }], displays: { d1: { blank: true } } });
    assert.equal(seen.status, "live");
    assert.equal(seen.seq, 5);
    assert.deepEqual([seen.scene, seen.confirmed], [SCENE, SCENE]);
    assert.deepEqual(seen.you, { id: "m1", role: "gm", name: "Ada" });
    assert.deepEqual(seen.displays, { d1: { blank: true } });
    assert.equal(seen.chat.length, 1);
    assert.equal(page.events.at(-1).type, "status");
  });

  test("the resume token is kept for each table and role, and sent from then on", () => {
    const kept = new Map();
    const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
    Page.live({ storage });
    const hello = (options) => {
      const page = new Page({ storage, ...options });
      page.live.connect();
      page.socket.opens();
      return page.socket.sent[0];
    };
    assert.equal(hello({}).resume_token, "secret");
    assert.equal(hello({ role: "display" }).resume_token, undefined);
    assert.equal(hello({ table: "side" }).resume_token, undefined);
    assert.equal(hello({ url: "ws://elsewhere.test/ws/table" }).resume_token, undefined);
    // A new page has no scene, so there is nothing to go on from.
    assert.deepEqual([hello({}).epoch, hello({}).seq], [undefined, undefined]);
  });

  test("without storage the page still knows who it is", () => {
    const broken = () => {
      throw new Error("SecurityError");
    };
    const page = Page.live({ storage: { getItem: broken, setItem: broken } });
    page.reconnect();
    assert.equal(page.socket.sent[0].resume_token, "secret");
  });

  test("a new connection names the epoch and the number it has, and goes on from there", () => {
    const page = Page.live();
    page.reconnect();
    const { epoch, seq } = page.socket.sent[0];
    assert.deepEqual({ epoch, seq }, { epoch: "e", seq: 5 });
    page.welcome({ mode: "resumed", seq: undefined, scene: undefined, from: 5, to: 7 });
    assert.deepEqual(page.state.scene, SCENE);
    page.socket.says({ type: "change", epoch: "e", seq: 7, prev: 5, edits: [size(70)] });
    assert.equal(page.state.scene.gridSettings.gridSize, 70);
    assert.equal(page.state.seq, 7);
  });

  test("a snapshot replaces the scene", () => {
    const page = Page.live();
    page.reconnect();
    page.welcome({ seq: 40, scene: { id: "other" } });
    assert.deepEqual(page.state.scene, { id: "other" });
    assert.equal(page.state.seq, 40);
    assert.deepEqual(page.heard("reset"), []);
  });

  test("the waits double up to 15 s, go on for ever, and begin anew after a welcome", () => {
    const page = Page.live();
    const wait = () => {
      const { length } = page.sockets;
      page.socket.breaks(1006);
      assert.equal(page.state.status, "waiting");
      let waited = 0;
      for (; page.sockets.length === length; waited += 100) page.timers.advance(100);
      assert.equal(page.state.status, "connecting");
      return waited;
    };
    assert.deepEqual(Array.from({ length: 8 }, wait), [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    for (let i = 0; i < 2000; i++) wait();
    page.socket.opens();
    assert.equal(wait(), 15_000);
    page.socket.opens();
    page.welcome();
    assert.equal(wait(), 500);
  });

  test("the wait is anything up to the longest", () => {
    const page = Page.live();
    page.luck = 0.3;
    page.socket.breaks();
    page.timers.advance(149);
    assert.equal(page.sockets.length, 1);
    page.timers.advance(1);
    assert.equal(page.sockets.length, 2);
  });

  for (const code of [1000, 4401, 4403, 4404]) {
    test(`${code} is the end`, async () => {
      const page = Page.live();
      const asked = page.live.chat("hi");
      page.socket.breaks(code, "because");
      assert.equal(page.state.status, "ended");
      assert.deepEqual(page.heard("ended"), [{ code, reason: "because" }]);
      assert.equal((await outcome(asked)).code, "ended");
      assert.equal((await outcome(page.live.chat("again"))).code, "ended");
      page.timers.advance(60 * MINUTE);
      page.window.dispatchEvent(new Event("online"));
      assert.equal(page.sockets.length, 1);
    });
  }

  for (const code of [1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1013, 4408, 4008, 4010, 4012, 4029]) {
    test(`${code} is a reason to come back`, () => {
      const page = Page.live();
      page.socket.breaks(code);
      page.timers.advance(500);
      assert.equal(page.sockets.length, 2);
    });
  }

  test("what the old connection still tells after close is not heard", () => {
    const page = Page.live();
    const { scene } = page.state;
    page.live.close();
    page.socket.says({ type: "change", seq: 6, by: "m2", edits: [size(99)] });
    // The server stopped before it read the goodbye.
    page.socket.breaks(1001);
    page.timers.advance(60 * MINUTE);
    assert.equal(page.sockets.length, 1);
    assert.equal(page.state.status, "ended");
    assert.deepEqual(page.state.scene, scene);
  });

  test("close leaves for good, connect comes back", () => {
    const page = Page.live();
    page.live.close();
    assert.equal(page.socket.closedWith.code, 1000);
    assert.equal(page.state.status, "ended");
    page.timers.advance(60 * MINUTE);
    assert.equal(page.sockets.length, 1);
    page.live.connect();
    page.live.connect();
    assert.equal(page.sockets.length, 2);
    page.socket.opens();
    assert.equal(page.socket.sent[0].seq, 5);
  });

  test("the network that is back ends the wait", () => {
    const page = Page.live();
    page.socket.breaks();
    page.window.dispatchEvent(new Event("online"));
    assert.equal(page.sockets.length, 2);
    page.timers.advance(600);
    assert.equal(page.sockets.length, 2, "the wait does not make another connection");
  });

  test("a page that is seen again ends the wait, one that is hidden does not", () => {
    const page = Page.live();
    page.socket.breaks();
    page.document.visibilityState = "hidden";
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.sockets.length, 1);
    page.document.visibilityState = "visible";
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.sockets.length, 2);
  });

  test("a connection that gives no sign of life is dropped and made again", () => {
    const page = Page.live();
    const { socket } = page;
    const asked = socket.all("time").length;
    page.timers.advance(20_000);
    assert.equal(socket.all("time").length, asked + 1);
    page.timers.advance(9_999);
    assert.equal(page.state.status, "live");
    page.timers.advance(1);
    assert.equal(page.state.status, "waiting");
    assert.equal(socket.closedWith.code, 4000);
    page.timers.advance(500);
    assert.equal(page.sockets.length, 2);
    socket.says({ type: "scene", epoch: "e", seq: 99, scene: {} });
    assert.equal(page.state.seq, 5, "the old socket has no say any more");
  });

  test("a connection that answers is kept", () => {
    const page = Page.live();
    for (let i = 0; i < 100; i++) {
      page.timers.advance(20_000);
      page.socket.says({ ...page.socket.last("time"), t1: page.timers.now });
    }
    assert.equal(page.sockets.length, 1);
  });

  test("a page that is seen again asks at once whether its connection still lives", () => {
    const page = Page.live();
    const asked = page.socket.all("time").length;
    page.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(page.socket.all("time").length, asked + 1);
    page.timers.advance(10_000);
    assert.equal(page.state.status, "waiting");
  });

  test("a connection that never gets its welcome is given up", () => {
    const page = new Page();
    page.live.connect();
    page.timers.advance(30_000);
    assert.equal(page.state.status, "waiting");
  });

  test("what is no message, or of an unknown type, does no harm", () => {
    const page = Page.live();
    page.socket.dispatchEvent(Object.assign(new Event("message"), { data: "{" }));
    page.socket.dispatchEvent(Object.assign(new Event("message"), { data: new ArrayBuffer(4) }));
    for (const message of [null, 7, [], {}, { type: "novelty" }, { type: "__proto__" }]) page.socket.says(message);
    assert.equal(page.state.status, "live");
  });
});

suite("reading", () => {
  const change = (seq, prev, edits, more) => ({ type: "change", epoch: "e", seq, prev, edits, by: "m2", ...more });

  test("a change counts when prev is not above the own number and seq is", () => {
    const page = Page.live();
    page.socket.says(change(9, 5, [size(1)]));
    assert.deepEqual([page.state.seq, page.state.scene.gridSettings.gridSize], [9, 1]);
    page.socket.says(change(12, 3, [size(2)]));
    assert.deepEqual([page.state.seq, page.state.scene.gridSettings.gridSize], [12, 2]);
    assert.deepEqual(page.heard("scene").slice(1).map(({ edits, by }) => ({ edits, by })), [
      { edits: [size(1)], by: "m2" },
      { edits: [size(2)], by: "m2" },
    ]);
    assert.deepEqual(page.socket.all("resync"), []);
  });

  test("a change that is in the scene already is left out", () => {
    const page = Page.live();
    page.socket.says(change(5, 4, [size(1)]));
    page.socket.says(change(4, 2, [size(2)]));
    assert.deepEqual(page.state.scene, SCENE);
    assert.deepEqual(page.socket.all("resync"), []);
  });

  test("a gap is answered with resync, at most one in 2 s", () => {
    const page = Page.live();
    page.socket.says(change(8, 7, [size(1)]));
    page.socket.says(change(9, 8, [size(2)]));
    assert.deepEqual(page.state.scene, SCENE);
    assert.deepEqual(page.socket.all("resync"), [{ type: "resync", seq: 5 }]);
    page.timers.advance(1_999);
    assert.equal(page.socket.all("resync").length, 1);
    page.timers.advance(1);
    assert.equal(page.socket.all("resync").length, 2);
    page.socket.says({ type: "scene", epoch: "e", seq: 9, scene: { id: "new" } });
    assert.deepEqual([page.state.seq, page.state.scene], [9, { id: "new" }]);
    page.socket.says(change(12, 11, [size(2)]));
    assert.equal(page.socket.all("resync").length, 2, "the next one waits too");
    page.timers.advance(2_000);
    assert.equal(page.socket.all("resync").length, 3);
  });

  test("edits that do not fit the scene are answered with resync", () => {
    const page = Page.live();
    page.socket.says(change(6, 5, [size(1), set(1, "no", "such", "place")]));
    assert.deepEqual([page.state.seq, page.state.scene], [5, SCENE]);
    assert.deepEqual(page.socket.all("resync"), [{ type: "resync", seq: 5 }]);
    // The answer may have the same number, and counts.
    page.socket.says({ type: "scene", epoch: "e", seq: 5, scene: { id: "right" } });
    assert.deepEqual(page.state.scene, { id: "right" });
  });

  test("a scene that was not asked for counts only when its number is higher", () => {
    const page = Page.live();
    page.socket.says({ type: "scene", epoch: "e", seq: 5, scene: { id: "same" } });
    page.socket.says({ type: "scene", epoch: "e", seq: 4, scene: { id: "old" } });
    assert.deepEqual(page.state.scene, SCENE);
    page.socket.says({ type: "scene", epoch: "e", seq: 6, scene: { id: "new" } });
    assert.deepEqual(page.state.scene, { id: "new" });
    assert.equal(page.heard("scene").at(-1).edits, null);
  });

  test("a scene older than one's own is no answer to a resync", () => {
    const page = Page.live();
    page.socket.says(change(8, 7, []));
    page.socket.says({ type: "scene", epoch: "e", seq: 4, scene: { id: "old" } });
    assert.deepEqual(page.state.scene, SCENE);
  });

  test("an ack waits until what comes before it is there", async () => {
    const page = Page.live();
    const asked = page.live.change([size(70)]);
    const { id } = page.socket.last("change");
    page.socket.says({ type: "ack", id, epoch: "e", seq: 8, prev: 7 });
    assert.equal((await outcome(asked)).value.seq, 8);
    assert.deepEqual([page.state.seq, page.state.confirmed.gridSettings.gridSize, page.state.pending], [5, 50, 1]);
    assert.equal(page.state.scene.gridSettings.gridSize, 70, "it is shown meanwhile");
    page.socket.says(change(6, 5, [set(false, "gridSettings", "showGrid")]));
    assert.equal(page.state.seq, 6);
    page.socket.says(change(7, 6, [size(60)]));
    assert.deepEqual([page.state.seq, page.state.pending], [8, 0]);
    assert.deepEqual(page.state.confirmed.gridSettings, { gridSize: 70, showGrid: false });
    assert.equal(page.state.scene, page.state.confirmed);
    page.socket.says(change(9, 8, [size(90)]));
    assert.equal(page.state.seq, 9);
    assert.deepEqual(page.socket.all("resync"), []);
  });

  test("an ack that waits is dropped when a scene brings its change", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq: 8, prev: 7 });
    page.socket.says({ type: "scene", epoch: "e", seq: 8, scene: { gridSettings: { gridSize: 71 } } });
    assert.deepEqual([page.state.seq, page.state.scene], [8, { gridSettings: { gridSize: 71 } }]);
    page.socket.says(change(9, 8, []));
    assert.equal(page.state.seq, 9);
  });

  test("an ack that comes after the scene with its change is nothing new", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "scene", epoch: "e", seq: 9, scene: { gridSettings: { gridSize: 72 } } });
    page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq: 8, prev: 7 });
    assert.deepEqual([page.state.seq, page.state.scene, page.state.pending], [9, { gridSettings: { gridSize: 72 } }, 0]);
  });

  test("the edits of an ack count instead of those that were sent", () => {
    const page = Page.live();
    page.live.changeScene({ ...SCENE, id: "mine" });
    page.socket.says(change(6, 5, [size(60)]));
    page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq: 7, prev: 6, rebased: true, edits: [set("mine", "id")] });
    assert.equal(page.state.seq, 7);
    assert.deepEqual(page.state.scene, { ...SCENE, id: "mine", gridSettings: { gridSize: 60, showGrid: true } });
  });

  test("several acks that wait are taken in their order", () => {
    const page = Page.live();
    page.live.change([set(1, "a")]);
    page.live.change([set(2, "b")]);
    const [first, second] = page.socket.all("change");
    page.socket.says({ type: "ack", id: second.id, epoch: "e", seq: 9, prev: 8 });
    page.socket.says({ type: "ack", id: first.id, epoch: "e", seq: 7, prev: 6 });
    page.socket.says(change(6, 5, []));
    assert.equal(page.state.seq, 7);
    page.socket.says(change(8, 7, []));
    assert.equal(page.state.seq, 9);
    assert.deepEqual([page.state.confirmed.a, page.state.confirmed.b], [1, 2]);
  });

  test("an ack that waits belongs to its epoch", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq: 8, prev: 7 });
    page.reconnect();
    page.welcome({ mode: "reset", epoch: "e2", seq: 7 });
    assert.deepEqual([page.state.seq, page.state.scene, page.state.pending], [7, SCENE, 0]);
  });

  test("an ack that waits too long asks for the scene", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq: 8, prev: 7 });
    page.timers.advance(4_999);
    assert.deepEqual(page.socket.all("resync"), []);
    page.timers.advance(1);
    assert.deepEqual(page.socket.all("resync"), [{ type: "resync", seq: 5 }]);
  });

  test("a change of one's own that the replay brings is not applied twice", async () => {
    const page = Page.live();
    const insert = { op: "insert", path: ["fogOfWar"], value: { id: "f9" } };
    const asked = page.live.change([insert]);
    const { id, base } = page.socket.last("change");
    page.reconnect();
    page.welcome({ mode: "resumed", seq: undefined, scene: undefined, from: 5, to: 6 });
    page.socket.says(change(6, 5, [insert], { by: "m1" }));
    assert.equal(page.state.scene.fogOfWar.length, 3);
    assert.deepEqual([page.socket.last("change").id, page.socket.last("change").base], [id, base]);
    page.socket.says({ type: "ack", id, epoch: "e", seq: 6, prev: 5 });
    assert.deepEqual([page.state.seq, page.state.scene.fogOfWar.length, page.state.pending], [6, 3, 0]);
    assert.equal((await outcome(asked)).value.seq, 6);
  });

  test("a message of another epoch makes a new connection", () => {
    const page = Page.live();
    page.socket.says({ type: "scene", epoch: "other", seq: 900, scene: {} });
    assert.deepEqual(page.state.scene, SCENE);
    assert.equal(page.state.status, "waiting");
    page.timers.advance(500);
    page.socket.opens();
    assert.equal(page.socket.sent[0].epoch, "e");
  });

  test("one listener may change the scene while another is told of it", () => {
    const page = Page.live();
    page.live.addEventListener("scene", ({ detail }) => {
      if (detail.by) page.live.change([set(detail.scene.gridSettings.gridSize, "seen")]);
    });
    page.socket.says(change(6, 5, [size(70)]));
    assert.equal(page.state.scene.seen, 70);
    assert.equal(page.socket.last("change").base, 6);
  });
});

suite("writing", () => {
  const ack = (page, seq, prev, more) => page.socket.says({ type: "ack", id: page.socket.last("change").id, epoch: "e", seq, prev, ...more });

  test("a change is shown at once, sent with an id and its base, and confirmed by the ack", async () => {
    const page = Page.live();
    const asked = page.live.change([size(70)]);
    const { id, ...sent } = page.socket.last("change");
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(sent, { type: "change", base: 5, edits: [size(70)] });
    assert.deepEqual([page.state.scene.gridSettings.gridSize, page.state.confirmed, page.state.pending], [70, SCENE, 1]);
    assert.deepEqual(page.heard("scene").at(-1).edits, [size(70)]);
    const shown = page.state.scene;
    const told = page.heard("scene").length;
    page.socket.says({ type: "ack", id, epoch: "e", seq: 6, prev: 5 });
    assert.deepEqual(await asked, { type: "ack", id, epoch: "e", seq: 6, prev: 5 });
    assert.equal(page.state.scene, shown, "what was shown is what is confirmed");
    assert.equal(page.state.confirmed, shown);
    assert.deepEqual([page.heard("scene").length, page.state.seq, page.state.pending], [told, 6, 0]);
  });

  test("an id needs no randomUUID", () => {
    const crypto = { getRandomValues: (bytes) => bytes.fill(0xff) };
    const page = Page.live({ crypto });
    page.live.change([size(1)]);
    assert.equal(page.socket.last("change").id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
  });

  test("what the caller does with the edits afterwards does not matter", () => {
    const page = Page.live();
    const value = { id: "f9", points: [] };
    page.live.change([{ op: "insert", path: ["fogOfWar"], value }]);
    value.points.push("oops");
    assert.deepEqual(page.state.scene.fogOfWar[2], { id: "f9", points: [] });
  });

  test("a nack takes the change back and tells what stands there", async () => {
    const page = Page.live();
    const asked = page.live.change([size(70)]);
    const { id } = page.socket.last("change");
    page.socket.says({ type: "nack", id, code: "conflict", message: "changed by Bo", retry: false, head: 7, current: 60 });
    assert.equal(page.state.scene, page.state.confirmed);
    const { error } = await outcome(asked);
    assert.ok(error instanceof Error);
    assert.deepEqual([error.code, error.message, error.current, error.head, error.retry], ["conflict", "changed by Bo", 60, 7, false]);
    assert.deepEqual(page.heard("conflict"), [{ id, edits: [size(70)], error }]);
  });

  test("a refusal that nobody waits for is an event and no unhandled rejection", async () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "nack", id: page.socket.last("change").id, code: "forbidden", message: "no", retry: false });
    page.live.kick("m2");
    page.socket.says({ type: "nack", id: page.socket.last("kick").id, code: "forbidden", message: "not you" });
    await settle();
    assert.deepEqual(page.heard("error").map(({ code, message }) => [code, message]), [["forbidden", "no"], ["forbidden", "not you"]]);
  });

  test("what has no answer yet can be asked for, whatever it is", async () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.chat("Hello", "gm");
    page.live.roll("1d20");
    const waiting = () => page.live.waiting.map(({ type, text, expr, to }) => [type, text ?? expr, to]);
    assert.deepEqual(waiting(), [["change", undefined, undefined], ["chat", "Hello", "gm"], ["roll", "1d20", undefined]]);
    assert.equal(page.heard("waiting").length, 3);
    page.socket.says({ type: "ack", id: page.socket.last("chat").id });
    page.socket.says({ type: "nack", id: page.socket.last("roll").id, code: "invalid", message: "no", retry: false });
    assert.deepEqual(waiting(), [["change", undefined, undefined]]);
    assert.equal(page.heard("waiting").length, 5);
  });

  test("changes of others come below one's own that are pending", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [size(60), set("x", "id")], by: "m2" });
    assert.deepEqual([page.state.scene.gridSettings.gridSize, page.state.scene.id], [70, "x"]);
    assert.equal(page.state.confirmed.gridSettings.gridSize, 60);
    assert.equal(page.heard("scene").at(-1).edits, null);
  });

  test("a pending change that fits no more is not shown, but still pending", () => {
    const page = Page.live();
    page.live.change([size(70), set([1], "fogOfWar", { id: "f1" }, "points")]);
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [{ op: "delete", path: ["fogOfWar", { id: "f1" }] }], by: "m2" });
    assert.equal(page.state.scene.gridSettings.gridSize, 50, "all or none");
    assert.equal(page.state.scene, page.state.confirmed);
    assert.equal(page.state.pending, 1);
  });

  test("a change that cannot be is refused here and never sent", async () => {
    const page = Page.live();
    assert.equal((await outcome(page.live.change([]))).code, "invalid");
    assert.equal((await outcome(page.live.change([{ op: "copy", path: ["a"] }]))).code, "invalid");
    const { code, message } = await page.live.change([set(1, "no", "place")]).catch((error) => error);
    assert.deepEqual([code, message], ["conflict", "It is not there any more."], "people read no JSON");
    assert.equal((await outcome(page.live.changeScene(null))).code, "invalid");
    assert.deepEqual(page.socket.all("change"), []);
    assert.equal((await outcome(new Page().live.change([size(1)]))).code, "not_loaded");
  });

  test("a whole scene is a change too", () => {
    const page = Page.live();
    page.live.changeScene({ id: "new" });
    assert.deepEqual(page.state.scene, { id: "new" });
    const { base, scene, edits } = page.socket.last("change");
    assert.deepEqual({ base, scene, edits }, { base: 5, scene: { id: "new" }, edits: undefined });
    ack(page, 6, 5);
    assert.deepEqual(page.state.confirmed, { id: "new" });
  });

  test("changes of different places do not wait for each other", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.change([set("x", "id")]);
    page.live.change([{ op: "insert", path: ["fogOfWar"], value: { id: "f8" } }]);
    page.live.change([{ op: "insert", path: ["fogOfWar"], value: { id: "f9" } }]);
    assert.deepEqual(page.socket.all("change").map(({ base }) => base), [5, 5, 5, 5]);
  });

  test("a change of what an earlier one touched waits for it and is based on it", () => {
    const page = Page.live();
    page.live.change([{ op: "insert", path: ["fogOfWar"], value: { id: "f9", points: [] } }]);
    page.live.change([set([1], "fogOfWar", { id: "f9" }, "points")]);
    page.live.change([set("x", "id")]);
    assert.equal(page.socket.all("change").length, 1);
    assert.deepEqual(page.state.scene.fogOfWar[2], { id: "f9", points: [1] });
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [size(60)], by: "m2" });
    ack(page, 7, 6);
    assert.deepEqual(page.socket.all("change").slice(1).map(({ base }) => base), [7, 7]);
  });

  test("a change that waited keeps its old base where somebody else has changed the same meanwhile", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.change([size(71), set("x", "id")]);
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [set("other", "id")], by: "m2" });
    ack(page, 7, 6);
    assert.equal(page.socket.last("change").base, 5);
  });

  test("a change on top of a pending one does not claim to have seen what that one hides", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [size(60)], by: "m2" });
    page.live.change([size(71)]);
    page.socket.says({ type: "nack", id: page.socket.last("change").id, code: "conflict", message: "" });
    assert.equal(page.socket.last("change").edits[0].value, 71);
    assert.equal(page.socket.last("change").base, 5);
  });

  test("somebody else's moving is seen by a move that waited", () => {
    const page = Page.live();
    const move = (id, before) => ({ op: "move", path: ["fogOfWar", { id }], ...(before && { before: { id: before } }) });
    page.socket.breaks();
    page.live.change([move("f2", "f1")]);
    page.timers.advance(500);
    page.socket.opens();
    page.welcome({ mode: "resumed", seq: undefined, scene: undefined, from: 5, to: 5 });
    assert.equal(page.socket.last("change").base, 5);
    ack(page, 6, 5);
    page.socket.breaks();
    page.live.change([move("f1", "f2")]);
    page.timers.advance(500);
    page.socket.opens();
    page.welcome({ seq: 7, scene: { ...page.state.confirmed, fogOfWar: [{ id: "f0" }, ...page.state.confirmed.fogOfWar] } });
    assert.equal(page.socket.last("change").base, 6);
  });

  test("a change that counts elements waits for all before it", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.change([set(1, "maps", { name: "crypt.png", nth: 0 }, "data")]);
    assert.equal(page.socket.all("change").length, 1);
    ack(page, 6, 5);
    assert.equal(page.socket.last("change").base, 6);
  });

  test("force is passed on, with the newest base", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.change([size(71)], { force: true });
    page.socket.says({ type: "change", epoch: "e", seq: 6, prev: 5, edits: [], by: "m2" });
    page.socket.says({ type: "nack", id: page.socket.last("change").id, code: "conflict", message: "" });
    const { base, force } = page.socket.last("change");
    assert.deepEqual({ base, force }, { base: 6, force: true });
  });

  for (const mode of ["resumed", "snapshot"]) {
    test(`what has no answer is sent again after ${mode}, the same and in order`, () => {
      const page = Page.live();
      page.live.change([size(70)]);
      page.live.change([set("x", "id")]);
      page.live.chat("hi");
      page.live.roll("2d6");
      page.live.audio({ action: "play", track: "rain" });
      page.live.display({ action: "blank" });
      page.live.hint("ping", "k", 1);
      page.live.signal("m2", {});
      page.live.assign("e1", "m2");
      page.live.kick("m2");
      const repeated = ["change", "chat", "roll", "audio", "display", "assign", "kick"];
      const sent = page.socket.sent.filter(({ type }) => repeated.includes(type));
      assert.equal(sent.length, 8);
      page.reconnect();
      page.welcome(mode === "resumed" ? { mode, seq: undefined, scene: undefined, from: 5, to: 5 } : { seq: 30 });
      assert.deepEqual(page.socket.sent.filter(({ type }) => type !== "hello" && type !== "time"), sent);
      assert.equal(page.state.scene.gridSettings.gridSize, 70);
    });
  }

  test("after a reset changes are not sent again but offered, other requests are sent", async () => {
    const page = Page.live();
    const changes = [page.live.change([size(70)]), page.live.change([size(71)]), page.live.changeScene({ id: "mine" })];
    page.live.chat("hi");
    page.reconnect();
    page.welcome({ mode: "reset", epoch: "e2", seq: 2 });
    assert.deepEqual((await Promise.all(changes.map(outcome))).map(({ code }) => code), ["reset", "reset", "reset"]);
    assert.deepEqual(page.socket.all("change"), []);
    assert.equal(page.socket.all("chat").length, 1);
    assert.deepEqual(page.heard("reset").map(({ changes }) => changes.map(({ id, ...content }) => content)), [
      [{ edits: [size(70)] }, { edits: [size(71)] }, { scene: { id: "mine" } }],
    ]);
    assert.deepEqual([page.state.scene, page.state.seq, page.state.pending], [SCENE, 2, 0]);
    page.live.change([size(1)]);
    assert.equal(page.socket.last("change").base, 2);
  });

  test("the changes that a reset gave back can be made anew at once", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.live.addEventListener("reset", ({ detail }) => detail.changes.forEach(({ edits }) => page.live.change(edits)));
    page.reconnect();
    page.welcome({ mode: "reset", epoch: "e2", seq: 2 });
    assert.equal(page.state.scene.gridSettings.gridSize, 70);
    assert.deepEqual([page.socket.all("change").length, page.socket.last("change").base], [1, 2]);
  });

  test("changes that were made while away are shown, kept and sent", () => {
    const page = Page.live();
    page.socket.breaks();
    page.live.change([size(70)]);
    page.live.change([set("x", "id")]);
    assert.deepEqual([page.state.scene.gridSettings.gridSize, page.state.scene.id], [70, "x"]);
    page.timers.advance(500);
    page.socket.opens();
    page.welcome({ seq: 30 });
    // They were never sent, and where they touch the scene it is still what was seen.
    assert.deepEqual(page.socket.all("change").map(({ base }) => base), [30, 30]);
  });

  test("a change that was sent keeps its base, so that the server can tell a repetition", () => {
    const page = Page.live();
    page.live.change([size(70)]);
    page.reconnect();
    page.welcome({ seq: 30 });
    assert.equal(page.socket.last("change").base, 5);
  });

  test("of many changes only some are on their way at once", () => {
    const page = Page.live();
    for (let i = 0; i < 100; i++) page.live.change([set(i, `k${i}`)]);
    assert.equal(page.socket.all("change").length, 32);
    page.socket.says({ type: "ack", id: page.socket.all("change")[0].id, epoch: "e", seq: 6, prev: 5 });
    assert.equal(page.socket.all("change").length, 33);
  });

  test("the queue is bounded in count", async () => {
    const page = Page.live();
    page.socket.breaks();
    for (let i = 0; i < 1000; i++) page.live.change([size(i)]);
    const { code, error } = await outcome(page.live.change([size(2000)]));
    assert.equal(code, "queue_full");
    assert.match(error.message, /not kept/);
    assert.equal((await outcome(page.live.chat("hi"))).code, "queue_full");
    assert.deepEqual([page.state.pending, page.state.scene.gridSettings.gridSize], [1000, 999]);
  });

  test("the queue is bounded in bytes, but a connection takes one big scene", async () => {
    const page = Page.live();
    const big = { id: "x".repeat(9 * 1024 * 1024) };
    page.live.changeScene(big);
    assert.equal(page.socket.all("change").length, 1);
    assert.equal((await outcome(page.live.change([set(1, "a")]))).code, "queue_full");
    ack(page, 6, 5);
    page.socket.breaks();
    assert.equal((await outcome(page.live.changeScene(big))).code, "queue_full");
  });

  test("what is bigger than a frame may be is refused here", async () => {
    const page = new Page();
    page.live.connect();
    page.socket.opens();
    page.welcome({ limits: { frame_bytes: 1000 } });
    assert.equal((await outcome(page.live.change([set("é".repeat(500), "id")]))).code, "too_large");
    assert.deepEqual(page.state.scene, SCENE);
    assert.deepEqual(page.socket.all("change"), []);
  });

  test("what was too big for the server is not sent again", async () => {
    const page = Page.live();
    const small = page.live.change([size(70)]);
    const big = page.live.change([set("x".repeat(1000), "id")]);
    page.socket.breaks(1009, "at most 100 bytes");
    assert.equal((await outcome(big)).code, "too_large");
    assert.equal(await outcome(small), "waiting");
    assert.equal(page.state.scene.id, "s");
  });

  test("an ack without a number has nothing to add to the scene", async () => {
    const page = Page.live();
    const asked = page.live.change([size(50)]);
    page.socket.says({ type: "ack", id: page.socket.last("change").id });
    assert.ok((await outcome(asked)).value);
    assert.deepEqual([page.state.pending, page.state.seq], [0, 5]);
  });

  test("leaving takes back what is not confirmed", async () => {
    const page = Page.live();
    const asked = page.live.change([size(70)]);
    page.live.close();
    assert.equal((await outcome(asked)).code, "ended");
    assert.deepEqual([page.state.scene, page.state.pending], [SCENE, 0]);
  });
});

suite("everything else", () => {
  test("chat and rolls are sent with an id and answered", async () => {
    const page = Page.live();
    const said = page.live.chat("psst", "m2");
    const rolled = page.live.roll("2d20kh1");
    const { id, ...chat } = page.socket.last("chat");
    assert.deepEqual(chat, { type: "chat", text: "psst", to: "m2" });
    assert.equal(page.socket.last("roll").expr, "2d20kh1");
    page.socket.says({ type: "ack", id });
    page.socket.says({ type: "nack", id: page.socket.last("roll").id, code: "invalid", message: "no dice", retry: false });
    assert.equal((await outcome(said)).value.id, id);
    assert.equal((await outcome(rolled)).code, "invalid");
  });

  test("sound and screens are told what to do", () => {
    const page = Page.live();
    page.live.audio({ action: "seek", track: "rain", position: 3 });
    page.live.display({ action: "rotate", target: "d1", degrees: 90 });
    const { id: a, ...audio } = page.socket.last("audio");
    const { id: b, ...display } = page.socket.last("display");
    assert.deepEqual(audio, { type: "audio", action: "seek", track: "rain", position: 3 });
    assert.deepEqual(display, { type: "display", action: "rotate", target: "d1", degrees: 90 });
    assert.ok(a && b && a !== b);
  });

  test("who assigns an entry or sends somebody away hears what came of it", async () => {
    const page = Page.live();
    const [given, taken, kicked] = [page.live.assign("e1", "m2"), page.live.assign("e1", null), page.live.kick("m2")];
    const [{ id: first, ...assign }, { id: second, ...back }] = page.socket.all("assign");
    assert.deepEqual([assign, back], [{ type: "assign", entry: "e1", member: "m2" }, { type: "assign", entry: "e1", member: null }]);
    page.socket.says({ type: "ack", id: first });
    page.socket.says({ type: "nack", id: second, code: "forbidden", message: "only the GM may do this", retry: false });
    const { id } = page.socket.last("kick");
    page.socket.says({ type: "ack", id, kicked: "m2", offer: "new_code" });
    assert.equal((await outcome(given)).value.id, first);
    assert.equal((await outcome(taken)).code, "forbidden");
    assert.equal((await outcome(kicked)).value.offer, "new_code");
  });

  test("a request so old that the server may have forgotten it is not repeated", async () => {
    const page = Page.live();
    const asked = page.live.chat("hi");
    page.socket.breaks();
    page.timers.advance(9 * MINUTE);
    page.window.dispatchEvent(new Event("online"));
    page.socket.opens();
    page.welcome();
    assert.deepEqual(page.socket.all("chat"), []);
    assert.equal((await outcome(asked)).code, "unknown");
  });

  test("hints pass only while connected and not behind a backlog", () => {
    const page = Page.live();
    assert.equal(page.live.hint("drag", "t1", { x: 1 }), true);
    assert.deepEqual(page.socket.last("hint"), { type: "hint", kind: "drag", key: "t1", data: { x: 1 } });
    page.socket.bufferedAmount = 65 * 1024;
    assert.equal(page.live.hint("drag", "t1", { x: 2 }), false);
    page.socket.breaks();
    assert.equal(page.live.hint("drag", "t1", { x: 3 }), false);
    page.timers.advance(500);
    page.socket.opens();
    page.welcome();
    assert.deepEqual(page.socket.all("hint"), []);
  });

  test("hints and signals of others are told", () => {
    const page = Page.live();
    const hint = { type: "hint", from: "m2", kind: "ping", key: "k", data: [1] };
    const signal = { type: "signal", from: "m2", data: { sdp: "" } };
    page.socket.says(hint);
    page.socket.says(signal);
    assert.deepEqual([page.heard("hint"), page.heard("signal")], [[hint], [signal]]);
  });

  test("each line of the chat is told once, also when the next welcome brings it again", () => {
    const page = Page.live();
    const line = (chat_seq) => ({ type: "chat", chat_seq, from: "m2", text: `${chat_seq}` });
    const roll = { type: "rolled", chat_seq: 4, from: "m2", expr: "1d4", dice: [], total: 2 };
    page.socket.says(line(1));
    page.socket.says(line(3));
    page.reconnect();
    page.welcome({ chat: [line(1), line(2), line(3), roll] });
    page.socket.says(roll);
    assert.deepEqual(page.heard("chat").map(({ chat_seq }) => chat_seq), [1, 3, 2]);
    assert.deepEqual(page.heard("rolled"), [roll]);
    assert.deepEqual(page.state.chat.map(({ chat_seq }) => chat_seq), [1, 2, 3, 4]);
  });

  test("the chat that is kept is bounded", () => {
    const page = Page.live();
    for (let chat_seq = 1; chat_seq <= 700; chat_seq++) page.socket.says({ type: "chat", chat_seq, from: "m2", text: "" });
    assert.deepEqual([page.state.chat.length, page.state.chat[0].chat_seq], [500, 201]);
  });

  test("members come, change and leave", () => {
    const page = Page.live();
    const ids = () => page.state.members.map(({ id }) => id);
    page.socket.says({ type: "member_joined", member: { id: "m2", name: "Bo", role: "player" } });
    assert.deepEqual(ids(), ["m1", "m2"]);
    page.socket.says({ type: "member_updated", member: { id: "m1", name: "Ada the Great", role: "gm" } });
    assert.equal(page.state.you.name, "Ada the Great");
    page.socket.says({ type: "member_left", member: { id: "m2" } });
    assert.deepEqual(ids(), ["m1"]);
    assert.equal(page.heard("members").length, 4);
  });

  test("whoever leaves with an entry is away with it, until it comes back or the entry is another's", () => {
    const page = Page.live();
    const bo = { id: "m2", name: "Bo", role: "player", connections: 1, entries: ["i1"] };
    const away = () => page.state.away.map(({ id, entries }) => [id, entries]);
    page.socket.says({ type: "member_joined", member: bo });
    page.socket.says({ type: "member_left", member: { ...bo, connections: 0 } });
    assert.deepEqual(away(), [["m2", ["i1"]]]);
    page.socket.says({ type: "member_joined", member: bo });
    assert.deepEqual(away(), []);
    page.socket.says({ type: "member_left", member: { ...bo, connections: 0 } });
    page.socket.says({ type: "member_updated", member: { ...bo, connections: 0, entries: [] } });
    assert.deepEqual([away(), page.state.members.map(({ id }) => id)], [[], ["m1"]]);
  });

  test("the state of sound and screens follows what is told", () => {
    const page = Page.live();
    page.socket.says({ type: "audio", track: "rain", playing: true, volume: 1 });
    page.socket.says({ type: "audio", track: "wind", playing: true, volume: 1 });
    page.socket.says({ type: "audio", track: "rain", playing: false, volume: 0.5 });
    assert.deepEqual(page.state.audio.tracks.find(({ track }) => track === "rain"), { track: "rain", playing: false, volume: 0.5 });
    assert.equal(page.state.audio.tracks.length, 2);
    page.socket.says({ type: "audio", track: "wind", playing: true, volume: 0, fade: 3 });
    assert.deepEqual(page.state.audio.tracks.find(({ track }) => track === "wind"), { track: "wind", playing: true, volume: 0 });
    assert.equal(page.heard("audio").at(-1).fade, 3);
    page.socket.says({ type: "audio", track: "wind", removed: true });
    assert.deepEqual(page.state.audio.tracks.map(({ track }) => track), ["rain"]);
    page.socket.says({ type: "audio", tracks: [] });
    assert.deepEqual(page.state.audio.tracks, []);
    page.socket.says({ type: "display", target: "d1", state: { blank: true, rotation: 0 } });
    page.socket.says({ type: "display", target: "d1", action: "identify" });
    assert.deepEqual(page.state.displays, { d1: { blank: true, rotation: 0 } });
    assert.equal(page.heard("display").at(-1).action, "identify");
    page.socket.says({ type: "display", target: "__proto__", state: { blank: true } });
    assert.deepEqual(Object.keys(page.state.displays), ["d1", "__proto__"]);
    assert.equal(page.state.displays.blank, undefined);
  });

  test("a repeated answer does not say what a whole scene was merged to", () => {
    const page = Page.live();
    page.live.changeScene({ id: "mine" });
    const { id } = page.socket.last("change");
    page.reconnect();
    page.welcome({ mode: "resumed", seq: undefined, scene: undefined, from: 5, to: 5 });
    page.socket.says({ type: "ack", id, epoch: "e", seq: 7, prev: 5, rebased: true });
    assert.deepEqual([page.state.scene, page.state.seq, page.state.pending], [SCENE, 5, 0]);
    assert.deepEqual(page.socket.last("resync"), { type: "resync", seq: 5 });
    page.socket.says({ type: "scene", epoch: "e", seq: 7, scene: { id: "merged" } });
    assert.deepEqual([page.state.scene, page.state.seq], [{ id: "merged" }, 7]);
  });

  test("an error of the server is told", () => {
    const page = Page.live();
    page.socket.says({ type: "error", message: "what?" });
    assert.deepEqual(page.heard("error").map(({ message }) => message), ["what?"]);
  });

  test("the clock follows the fastest of five round trips", () => {
    const page = Page.live();
    const ahead = 3_600_000;
    for (const [there, back] of [[40, 10], [5, 30], [10, 10], [300, 1], [80, 80]]) {
      const { t0 } = page.socket.last("time");
      page.timers.advance(there);
      const t1 = page.timers.now + ahead;
      page.timers.advance(back);
      page.socket.says({ type: "time", t0, t1 });
    }
    assert.equal(page.live.now() - page.timers.now, ahead);
    assert.equal(page.socket.all("time").length, 5);
  });

  test("a clock whose answers came slowly asks again, not for ever, and no more once one was quick", () => {
    const page = Page.live();
    const ahead = 3_600_000;
    const answer = (there, back) => {
      const { t0 } = page.socket.last("time");
      page.timers.advance(there);
      const t1 = page.timers.now + ahead;
      page.timers.advance(back);
      page.socket.says({ type: "time", t0, t1 });
    };
    const asked = () => page.socket.all("time").length;
    for (let i = 0; i < 5; i++) answer(5, 245);
    assert.equal(page.live.now() - page.timers.now, ahead - 120);
    assert.equal(asked(), 5);
    page.timers.advance(1_000);
    assert.equal(asked(), 6);
    answer(3, 3);
    assert.equal(page.live.now() - page.timers.now, ahead);
    page.timers.advance(5_000);
    assert.equal(asked(), 6);
    page.reconnect();
    page.welcome({ mode: "resumed", seq: undefined, scene: undefined, from: 5, to: 5 });
    for (let i = 0; i < 15; i++) {
      answer(5, 245);
      page.timers.advance(1_000);
    }
    // Another question may have been the connection's beat.
    assert.ok(asked() >= 15 && asked() <= 17, `${asked()}`);
  });

  test("the clock has a first guess from the welcome, and listens on", () => {
    const page = new Page();
    page.live.connect();
    page.socket.opens();
    page.welcome({ server_time: page.timers.now + 777 });
    assert.equal(page.live.now(), page.timers.now + 777);
    for (let i = 0; i < 30; i++) {
      page.socket.says({ ...page.socket.last("time"), t1: page.timers.now + 500 });
      page.timers.advance(20_000);
    }
    assert.equal(page.live.now(), page.timers.now + 500);
  });

  test("answers that are no times are left out", () => {
    const page = Page.live();
    const before = page.live.now();
    page.socket.says({ type: "time", t0: page.timers.now + 1e6, t1: 0 });
    page.socket.says({ type: "time", t0: null, t1: "soon" });
    page.socket.says({ type: "time" });
    assert.equal(page.live.now(), before);
  });
});

suite("many together", () => {
  const START = { id: "s", log: [], gm_log: [], tokens: [{ id: "t0", at: 0 }, { id: "t1", at: 0 }, { id: "t2", at: 0 }], grid: { size: 50, color: "red" } };

  /** Several pages at one table, with all that can go wrong. */
  class Evening {
    /** Every change, with what became of it. */ changes = [];

    constructor(seed, rules) {
      this.random = randomFrom(seed);
      this.table = new Table(START, rules);
      this.guests = ["gm", "gm", "player", "player"].map((role, i) => {
        const guest = { page: new Page({ role, name: `n${i}` }), role, name: `n${i}`, connection: null };
        guest.page.live.connect();
        return guest;
      });
    }

    below(count) {
      return Math.floor(this.random() * count);
    }

    pick(list) {
      return list[this.below(list.length)];
    }

    /** The server accepts a socket that the page has made. */
    accept(guest) {
      const { socket } = guest.page;
      if (guest.connection?.socket === socket || socket.readyState !== 0) return;
      guest.connection = new Connection(this.table, socket, guest.name);
      socket.opens();
    }

    /** Some edits of what a guest sees; the first leaves a mark by which the change is known. */
    edits(guest, mark) {
      const { scene } = guest.page.state;
      const log = guest.role === "gm" && this.random() < 0.3 ? "gm_log" : "log";
      const token = () => this.pick(scene.tokens)?.id ?? "t0";
      const others = [
        () => set(this.below(100), "grid", "size"),
        () => set(this.pick(["red", "blue"]), "grid", "color"),
        () => set(this.below(100), "tokens", { id: token() }, "at"),
        () => ({ op: "delete", path: ["tokens", { id: token() }] }),
        () => ({ op: "insert", path: ["tokens"], value: { id: `t${this.below(6)}`, at: 0 }, before: { id: token() } }),
        () => ({ op: "move", path: ["tokens", { id: token() }], ...(this.random() < 0.5 && { before: { id: token() } }) }),
        () => set({ size: this.below(100), color: "green" }, "grid"),
      ];
      const edits = [{ op: "insert", path: [log], value: { id: mark } }];
      for (let more = this.below(5) - 2; more > 0; more--) edits.push(this.pick(others)());
      return edits;
    }

    change(guest) {
      const { live, state } = guest.page;
      if (state.scene === null || state.pending > 20) return;
      const made = { mark: `c${this.changes.length}`, guest, code: "waiting", carriers: [] };
      this.changes.push(made);
      const edits = this.edits(guest, made.mark);
      let asked;
      if (this.random() < 0.1) {
        // A whole scene is sent as it is shown, with what is pending in it.
        for (const other of this.changes) if (other.guest === guest && other.code === "waiting") other.carriers.push(made);
        try {
          asked = live.changeScene(applyEdits(state.scene, edits));
        } catch {
          made.code = "impossible";
          return;
        }
      } else {
        asked = live.change(edits);
      }
      asked.then(() => (made.code = "done"), ({ code }) => (made.code = code));
    }

    async step() {
      const guest = this.pick(this.guests);
      const { connection } = guest;
      const chance = this.random();
      this.accept(guest);
      if (chance < 0.15) this.change(guest);
      else if (chance < 0.5) for (let n = this.below(4); n > 0; n--) connection?.take();
      else if (chance < 0.9) for (let n = this.below(6); n > 0; n--) connection?.give();
      else if (chance < 0.96) guest.page.timers.advance(this.below(3_000));
      else if (chance < 0.985) this.break(guest);
      else if (chance < 0.99) this.table.forgotten = Math.max(0, this.table.seq - this.below(20));
      if (this.random() < 0.1) await settle();
      for (const { page } of this.guests) {
        assert.ok(page.state.seq >= (page.lastSeq ?? 0), "a number never falls within an epoch");
        page.lastSeq = page.state.seq;
      }
    }

    break({ connection, page }) {
      if (!connection || connection.socket !== page.socket || page.socket.readyState !== 1) return;
      connection.break();
    }

    /** Nobody changes anything any more, and all gets through. */
    async calm() {
      for (let round = 0; round < 200; round++) {
        for (const guest of this.guests) {
          guest.page.timers.advance(1_000);
          this.accept(guest);
          for (let going = true; going; ) going = [guest.connection.take(), guest.connection.give()].includes(true);
        }
        await settle();
      }
    }

    /** How often each mark stands in the log. */
    marks() {
      const { log, gm_log } = this.table.scene;
      const counts = new Map();
      for (const { id } of [...log, ...gm_log]) counts.set(id, (counts.get(id) ?? 0) + 1);
      return counts;
    }

    assertAllSeeTheSame() {
      const { gm_log, ...open } = this.table.scene;
      for (const { page, role } of this.guests) {
        assert.equal(page.state.status, "live");
        assert.equal(page.state.pending, 0);
        assert.deepEqual(page.state.scene, role === "gm" ? { ...open, gm_log } : open);
        assert.equal(page.state.confirmed, page.state.scene);
      }
    }
  }

  for (const ownCount of [true, false]) {
    for (let seed = 1; seed <= 4; seed++) {
      const server = ownCount ? "is strict with one's own changes" : "forgives one's own changes";
      test(`all see the same and each change counts once, where the server ${server} (seed ${seed})`, async (t) => {
        const evening = new Evening(seed, { ownCount });
        for (let i = 0; i < 12_000; i++) await evening.step();
        await evening.calm();
        evening.assertAllSeeTheSame();
        const marks = evening.marks();
        const done = evening.changes.filter(({ code }) => code === "done");
        for (const { mark, code, carriers } of evening.changes) {
          assert.notEqual(code, "waiting", `${mark} was answered`);
          const count = marks.get(mark) ?? 0;
          if (code !== "done" && carriers.some((scene) => scene.code === "done")) assert.ok(count <= 1);
          else assert.equal(count, code === "done" ? 1 : 0, `${mark} is ${code}`);
        }
        const resyncs = evening.guests.flatMap(({ page }) => page.sockets.flatMap((socket) => socket.all("resync")));
        const happened = { done: done.length, nacks: evening.table.nacks, merged: evening.table.merged, resyncs: resyncs.length };
        t.diagnostic(JSON.stringify(happened));
        assert.ok(done.length > 500 && evening.table.nacks > 20, "much has happened");
      });
    }
  }

  test("all see the same also when the table goes back to an earlier state", async () => {
    const evening = new Evening(77, { ownCount: true });
    for (let i = 0; i < 5_000; i++) {
      if (i % 500 === 499) {
        evening.table.goBack(evening.below(10));
        for (const { page } of evening.guests) page.lastSeq = 0;
      }
      // In a new epoch the numbers may begin lower.
      for (const { page } of evening.guests) if (page.state.status !== "live") page.lastSeq = 0;
      await evening.step();
    }
    await evening.calm();
    evening.assertAllSeeTheSame();
    assert.ok(evening.changes.some(({ code }) => code === "reset"));
    for (const count of evening.marks().values()) assert.equal(count, 1);
  });

  test("one person's changes of one thing, made while away, all come through", async () => {
    for (const ownCount of [true, false]) {
      const evening = new Evening(5, { ownCount });
      await evening.calm();
      const [away, other] = evening.guests;
      evening.break(away);
      const asked = [1, 2, 3].map((at) => away.page.live.change([set(at, "tokens", { id: "t0" }, "at")]));
      other.page.live.change([set("blue", "grid", "color")]);
      await evening.calm();
      for (const one of asked) assert.ok((await outcome(one)).value);
      assert.equal(evening.table.scene.tokens[0].at, 3);
      evening.assertAllSeeTheSame();
    }
  });
});
