// Parts of the console without a page: what others are told, and what is heard.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../assets/api.js";
import { ThingGrip } from "../../assets/console/grips.js";
import { GmTable } from "../../assets/console/table.js";
import { fogsOf, gridOf, tokensOf } from "../../assets/stage/model.js";
import { State } from "../../assets/state.js";
import { TableSound } from "../../assets/table-sound.js";
import { later, until } from "./server.mjs";
import { SCENE } from "./tables.mjs";

/** A table that notes what others are told. */
function start(scene = SCENE) {
  const hints = [];
  const live = Object.assign(new EventTarget(), { state: { scene, status: "live", you: { id: "gm", role: "gm" } }, change: async () => ({}), hint: (...hint) => hints.push(hint) });
  const grid = gridOf(scene);
  const marks = [];
  const stage = {
    grid, tokens: tokensOf(scene, grid), fogs: fogsOf(scene, grid), chosen: new Set(), camera: { lookAt: (at) => { stage.at = at; } },
    passing: { ping: (ping) => marks.push(ping) }, moved: () => {}, invalidate: () => {}, drag: () => {},
  };
  return { table: new GmTable(live, stage, null), hints, stage, marks };
}

test("who is shown a hidden token on the map is the GM alone", () => {
  const { table, hints, stage, marks } = start();
  const lurker = stage.tokens.find(({ id }) => id === "i3");
  table.lookAt(lurker);
  assert.equal(stage.at, lurker);
  assert.deepEqual(marks.map(({ x, y }) => [x, y]), [[lurker.x, lurker.y]]);
  assert.deepEqual(hints, []);
  table.ping(lurker);
  assert.deepEqual(hints, [["ping", "", { x: lurker.x, y: lurker.y }]]);
});

test("the way of a monster is told up to the fog, that of a player's token also in it", async () => {
  const { table, hints, stage } = start();
  /** Drags a token from its place to a point, and gives what others were told then. */
  const told = async (id, x, y) => {
    const thing = stage.tokens.find((one) => one.id === id);
    const grip = new ThingGrip(table, { kind: "token", key: `token ${id}`, id, thing }, null, { x: thing.x, y: thing.y });
    const before = hints.length;
    grip.drag({ scene: { x, y }, event: { shiftKey: false } });
    await until("a hint", () => hints.length > before);
    return hints.at(-1)[2];
  };
  const open = await told("i2", 1200, 425);
  assert.equal(open.position.x, 24);
  assert.equal(await told("i2", 1450, 750), null);
  const player = await told("i1", 1450, 750);
  assert.equal(player.position.x, 29);
});

/** What a browser plays sounds with, as far as it is asked here. */
class FakeAudio extends EventTarget {
  static all = [];
  paused = true;
  ended = false;
  seeking = false;
  duration = 60;
  readyState = 4;
  currentTime = 0;
  constructor() {
    super();
    FakeAudio.all.push(this);
  }
  async play() {
    this.paused = false;
  }
  pause() {
    this.paused = true;
  }
  removeAttribute() {}
}

test("shots that overlap stop with their track, fade with it, and go where it goes", async (t) => {
  const { fetch, Audio } = globalThis;
  later(t, () => Object.assign(globalThis, { fetch, Audio }));
  Object.assign(globalThis, { Audio: FakeAudio, location: { href: "http://table/" } });
  globalThis.fetch = async () => Response.json({ loop: {}, oneshot: { Combat: ["clash", "door"].map((id) => ({ id, url: `/audio/file/oneshot/${id}.ogg`, duration: 60 })) } });
  const gone = new AbortController();
  later(t, () => {
    gone.abort();
    delete globalThis.location;
  });
  const tracks = new Map();
  const live = Object.assign(new EventTarget(), { state: { audio: { tracks: [] } }, now: () => Date.now() });
  new TableSound(live, gone.signal, { routes: ["all"] });
  const tell = (track, more) => {
    const told = { track, playing: true, position: 0, started_at: Date.now(), loop: false, volume: 1, route: "all", ...more };
    tracks.set(track, told);
    live.state.audio = { tracks: [...tracks.values()] };
    live.dispatchEvent(new CustomEvent("audio", { detail: told }));
  };
  const heard = (name) => FakeAudio.all.filter((one) => !one.paused && one.src.includes(name));
  /** Plays an effect twice, one over the other. */
  const twice = async (name) => {
    tell(name);
    await until("a shot", () => heard(name).length === 1);
    tell(name);
    await until("a shot", () => heard(name).length === 2);
  };
  await twice("door");
  for (const end of [{ playing: false }, { route: "display" }]) {
    await twice("clash");
    tell("clash", end);
    assert.equal(heard("clash").length, 0);
  }
  await twice("clash");
  tell("clash", { playing: false, fade: 0.08 });
  assert.equal(heard("clash").length, 2, "they fade");
  await until("silence", () => heard("clash").length === 0);
  assert.equal(heard("door").length, 2, "another's go on");
  // All at once are sent to the screens.
  live.state.audio = { tracks: [...tracks.values()].map((track) => ({ ...track, route: "display" })) };
  live.dispatchEvent(new CustomEvent("audio", { detail: live.state.audio }));
  assert.equal(heard("").length, 0);
});

test("a list is loaded one time after the other, and once more when it was wanted meanwhile", async () => {
  /** @type {((names: string[]) => void)[]} */
  const answers = [];
  let asked = 0;
  const none = async () => [];
  const state = new State({
    health: async () => ({ maps: { files: 0 }, scenes: {}, sounds: {} }), mapFolders: none, soundFolders: none, sounds: none, scenes: async () => ({ scenes: [], folders: [] }),
    maps: () => {
      asked += 1;
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  const first = state.refreshHealth();
  await until("the first question", () => asked === 1);
  const more = [1, 2, 3].map(() => state.reload("maps"));
  // All of them have asked for it by the time that the first answer comes.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 1);
  answers.shift()(["old"]);
  await until("the second question", () => asked === 2);
  answers.shift()(["old", "new"]);
  await Promise.all([first, ...more]);
  assert.deepEqual([state.maps, asked], [["old", "new"], 2]);
});

test("sounds are listed again while the server has not read all of them, by those who may list them", async () => {
  const none = async () => [];
  let [unread, asked, mayList] = [1, 0, true];
  const state = new State({
    health: async () => ({ maps: {}, scenes: {}, sounds: { files: 1, unread } }), maps: none, mapFolders: none, soundFolders: none, scenes: async () => ({ scenes: [], folders: [] }),
    sounds: async () => {
      asked += 1;
      if (!mayList) throw new ApiError(403, "Not for you.");
      return { loop: {}, oneshot: {} };
    },
  });
  const look = async (left) => {
    unread = left;
    await state.refreshHealth();
    return asked;
  };
  // A file that grows is one each time.
  assert.deepEqual([await look(1), await look(1), await look(1), await look(0), await look(0)], [1, 2, 3, 4, 4]);
  mayList = false;
  assert.deepEqual([await look(1), await look(1), await look(1)], [5, 5, 5]);
});
