// Undo and redo of one's own changes, without a page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../assets/console/history.js";
import { applyEdits } from "../../assets/live/edits.js";

/** A table that takes everything at once. */
function tableOf(scene) {
  const state = { scene, status: "live" };
  const take = (next) => {
    state.scene = next;
    return Promise.resolve({});
  };
  return { state, change: (edits) => take(applyEdits(state.scene, edits)), changeScene: (next) => take(next) };
}

/** What a browser keeps for a window. */
function storageOf() {
  const kept = new Map();
  return { kept, getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
}

const set = (key, value) => ({ op: "set", path: [key], value });
const clone = (value) => JSON.parse(JSON.stringify(value));

test("what was done is taken back and done again after the page was opened anew", async () => {
  const storage = storageOf();
  const table = tableOf({ id: "a", fogOfWar: [{ id: "f1" }, { id: "f2" }], maps: [] });
  const before = clone(table.state.scene);
  const first = new History(table, { storage });
  await first.change("Removed fog", [{ op: "delete", path: ["fogOfWar", { id: "f1" }] }]);
  await first.change("Named it", [set("name", "Crypt")]);
  const after = clone(table.state.scene);
  first.keep();
  const second = new History(table, { storage });
  assert.equal(second.undoes, "Named it");
  assert.equal(await second.undo(), "Named it");
  assert.equal(await second.undo(), "Removed fog");
  assert.deepEqual(table.state.scene, before);
  second.keep();
  const third = new History(table, { storage });
  assert.equal(third.undoes, null);
  await third.redo();
  await third.redo();
  assert.deepEqual(table.state.scene, after);
});

test("a scene that was loaded goes again, and what was done on it before its own steps stays where it was", async () => {
  const table = tableOf({ id: "a", name: "A" });
  const history = new History(table);
  await history.change("Named it", [set("name", "A2")]);
  await history.load("Loaded B", { id: "b", name: "B" });
  await history.change("Named it", [set("name", "B2")]);
  await history.undo();
  assert.equal(table.state.scene.name, "B");
  await history.undo();
  assert.deepEqual(table.state.scene, { id: "a", name: "A2" });
  await history.undo();
  assert.equal(table.state.scene.name, "A");
  await history.redo();
  await history.redo();
  await history.redo();
  assert.deepEqual(table.state.scene, { id: "b", name: "B2" });
});

test("what others did to a loaded scene comes back with redo", async () => {
  const table = tableOf({ id: "a" });
  const history = new History(table);
  await history.load("Loaded B", { id: "b" });
  table.change([set("name", "by somebody else")]);
  await history.undo();
  await history.redo();
  assert.deepEqual(table.state.scene, { id: "b", name: "by somebody else" });
});

test("while somebody else's scene is on the table, nothing of another one is taken back", async () => {
  const table = tableOf({ id: "a" });
  const history = new History(table);
  await history.change("Named it", [set("name", "A")]);
  table.state.scene = { id: "c", name: "A" };
  assert.equal(history.undoes, null);
  assert.equal(await history.undo(), null);
  table.state.scene = { id: "a", name: "A" };
  assert.equal(history.undoes, "Named it");
});

test("a scene that gets another id keeps its steps, and the one before it its own", async () => {
  const table = tableOf({ id: "a" });
  const history = new History(table);
  await history.change("One", [set("n", 1)]);
  await history.load("Loaded B", { id: "b" });
  await history.change("Two", [set("n", 2)]);
  history.renamed("b", "saved");
  table.state.scene = { ...table.state.scene, id: "saved" };
  assert.equal(await history.undo(), "Two");
  assert.equal(await history.undo(), "Loaded B");
  assert.equal(table.state.scene.id, "a");
  assert.equal(await history.undo(), "One");
});

test("only the newest that fits is kept, and what is broken is thrown away", async () => {
  const storage = storageOf();
  const table = tableOf({ id: "a", text: "" });
  const history = new History(table, { storage });
  for (let i = 0; i < 5; i++) await history.change(`Step ${i}`, [set("text", `${i}`.repeat(300_000))]);
  history.keep();
  assert.ok([...storage.kept.values()][0].length < 1_000_100);
  const again = new History(table, { storage });
  let steps = 0;
  while (await again.undo()) steps += 1;
  assert.ok(steps >= 1 && steps < 5, `${steps} steps`);

  storage.setItem("tablekeep.history", "{nonsense");
  assert.equal(new History(table, { storage }).undoes, null);
  storage.setItem("tablekeep.history", '{"undo":[{"words":"x","of":"a"},5,null]}');
  assert.equal(new History(table, { storage }).undoes, null);
  storage.setItem = () => { throw new Error("full"); };
  history.keep();
  assert.equal(storage.kept.size, 0);
});

test("what was refused cannot be taken back", async () => {
  const table = tableOf({ id: "a" });
  table.change = () => Promise.reject(new Error("no"));
  const history = new History(table);
  await assert.rejects(history.change("Named it", [set("name", "A")]));
  assert.equal(history.undoes, null);
});

test("what was refused leaves everything that could be taken back or done again as it was", async () => {
  const table = tableOf({ id: "a", n: 0 });
  const history = new History(table);
  await history.change("One", [set("n", 1)]);
  await history.change("Two", [set("n", 2)]);
  await history.undo();
  const { change, changeScene } = table;
  table.change = table.changeScene = () => Promise.reject(new Error("no"));
  await assert.rejects(history.undo(), /no/);
  assert.deepEqual([history.undoes, history.redoes], ["One", "Two"]);
  await assert.rejects(history.redo(), /no/);
  assert.deepEqual([history.undoes, history.redoes], ["One", "Two"]);
  await assert.rejects(history.change("Three", [set("n", 3)]), /no/);
  await assert.rejects(history.load("Loaded B", { id: "b" }), /no/);
  // Two that are refused together.
  await Promise.allSettled([history.change("Three", [set("n", 3)]), history.change("Four", [set("n", 4)])]);
  assert.deepEqual([history.undoes, history.redoes], ["One", "Two"]);
  Object.assign(table, { change, changeScene });
  await history.redo();
  assert.equal(table.state.scene.n, 2);
  await history.change("Five", [set("n", 5)]);
  assert.equal(history.redoes, null);
});

test("steps that are refused together stand in their order again", async () => {
  const table = tableOf({ id: "a", one: 0, two: 0 });
  const history = new History(table);
  await history.change("One", [set("one", 1)]);
  await history.change("Two", [set("two", 2)]);
  table.change = () => Promise.reject(new Error("no"));
  await Promise.allSettled([history.undo(), history.undo()]);
  table.change = (edits) => Promise.resolve(table.state.scene = applyEdits(table.state.scene, edits));
  assert.equal(await history.undo(), "Two");
  assert.equal(await history.undo(), "One");
});

test("a whole scene is not kept back for a connection to come, and is not lost", async () => {
  const table = tableOf({ id: "a" });
  const history = new History(table);
  await history.load("Loaded B", { id: "b", name: "B" });
  table.state.status = "waiting";
  await assert.rejects(history.load("Started a new scene", { id: "c" }), /no connection/);
  await assert.rejects(history.undo(), /no connection/);
  assert.equal(table.state.scene.id, "b");
  assert.equal(history.undoes, "Loaded B");
  await history.change("Named it", [set("name", "B2")]);
  table.state.status = "live";
  await history.undo();
  await history.undo();
  assert.equal(table.state.scene.id, "a");
});
