// A hundred thousand edits: the server and the browser's end come to the same document, in every view.

import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { Live } from "../../assets/live.js";
import { applyEdits } from "../../assets/live/edits.js";
import { randomFrom } from "./live-world.mjs";
import { later, startServer, until } from "./server.mjs";

const EDITS = 100_000;
const PER_CHANGE = 100;
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Choices that can be had again with SEED. */
function choices(seed) {
  const next = randomFrom(seed);
  const below = (n) => Math.floor(next() * n);
  return { below, pick: (list) => list[below(list.length)], chance: (p) => next() < p };
}

const LISTS = { maps: "name", aoeMarkers: "id", initiativeOrder: "id", fogOfWar: "id", encounterHistory: "id" };

function thing(list, n, { below, chance, pick }) {
  const position = { x: below(900) / 2, y: below(900) };
  if (list === "maps") return { name: `${n}.png`, folder: pick([null, "Dörfer"]), data: { position, scale: below(5), isHidden: chance(0.3) } };
  if (list === "aoeMarkers") return { id: `a${n}`, shape: "circle", color: "#f00", position, revealed: chance(0.5), label: "☠ \"x\"\n" };
  if (list === "fogOfWar") return { id: `f${n}`, color: "#000", points: [{ x: 0, y: 0 }, { x: below(400), y: 0 }, { x: 0, y: below(400) }] };
  if (list === "encounterHistory") return { id: `h${n}`, timestamp: n, text: "secret" };
  return { id: `e${n}`, name: `E${n}`, initiative: below(30), isPlayer: chance(0.4), hp: below(40), initialHP: 40, mapPosition: position };
}

/** One edit that fits `scene`. */
function edit(scene, n, dice) {
  const { below, pick, chance } = dice;
  const list = pick(Object.keys(LISTS));
  const key = LISTS[list];
  const select = () => ({ [key]: pick(scene[list])[key] });
  const few = scene[list].length < 4;
  const kind = few ? 0 : below(scene[list].length > 25 ? 10 : 8);
  if (kind <= 1) {
    const before = chance(0.5) && !few ? { before: select() } : {};
    return { op: "insert", path: [list], value: thing(list, n, dice), ...before };
  }
  if (kind === 2) return { op: "move", path: [list, select()], ...(chance(0.5) ? { before: select() } : {}) };
  if (kind >= 8 || kind === 3) return { op: "delete", path: [list, select()] };
  if (kind === 4) return { op: "set", path: ["gridSettings", pick(["gridSize", "showGrid", "__proto__", "gm_secret"])], value: pick([below(99), null, true, "ä"]) };
  const target = select();
  if (list === "maps") return { op: "set", path: [list, target, "data", pick(["position", "isHidden", "rotation"])], value: pick([{ x: below(9), y: below(9) }, chance(0.5), below(360)]) };
  if (list === "fogOfWar") return { op: "set", path: [list, target, "points"], value: [{ x: below(500), y: 0 }, { x: 0, y: below(500) }, { x: 0, y: 0 }] };
  if (list === "aoeMarkers") return { op: "set", path: [list, target, pick(["revealed", "position", "label"])], value: pick([chance(0.5), { x: 1, y: below(50) }, "x"]) };
  if (list === "initiativeOrder") return { op: "set", path: [list, target, pick(["hp", "mapPosition", "initiative", "isKilled"])], value: pick([below(40), { x: below(300), y: below(300) }, null]) };
  // There may be no map any more, or none yet.
  return { op: "set", path: ["activeMapId"], value: scene.maps.length > 0 ? pick(scene.maps).name : null };
}

/** Node's sockets end the process when nobody listens to their errors; browsers' do not. */
class Socket extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
}

/** A member who is there, and stays until the test ends. */
async function sitDown(t, url, role, name) {
  const live = new Live({ url, role, name, WebSocket: Socket });
  live.connect();
  later(t, () => live.close());
  await until(`${name} is there`, () => live.state.status === "live");
  return live;
}

test("a hundred thousand random edits come to equal documents in every view", { timeout: 300_000 }, async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const server = await startServer(t);
  const url = `${server.base.replace("http", "ws")}/ws/table`;
  const dice = choices(SEED);
  const gm = await sitDown(t, url, "gm", "GM");
  const watchers = [
    await sitDown(t, url, "gm", "second GM"),
    await sitDown(t, url, "player", "player"),
    await sitDown(t, url, "display", "display"),
  ];
  let scene = gm.state.scene;
  const answers = [];
  for (let made = 0; made < EDITS; made += PER_CHANGE) {
    const edits = [];
    for (let n = made; n < made + PER_CHANGE; n++) {
      const one = edit(scene, n, dice);
      scene = applyEdits(scene, [one]);
      edits.push(one);
    }
    answers.push(gm.change(edits));
    // Neither too little nor too much under way.
    if (answers.length % 20 === 0) await Promise.all(answers.slice(-20));
  }
  await Promise.all(answers);
  assert.deepEqual(gm.state.confirmed, scene, "what was sent is what came of it");
  const kept = await (await fetch(`${server.base}/tables/main/scene`)).json();
  assert.deepEqual(kept, scene, "the server has the same");
  const fresh = await sitDown(t, url, "player", "late player");
  const views = [scene, fresh.state.confirmed, fresh.state.confirmed];
  assert.notDeepEqual(views[1], scene);
  for (const [n, watcher] of watchers.entries()) {
    const equal = () => {
      try {
        assert.deepEqual(watcher.state.confirmed, views[n]);
        return true;
      } catch {
        return false;
      }
    };
    await until(`${watcher.state.you.name} has the same`, equal);
  }
});
