// The scene on the table and its file, without a page: what is saved where, while others go on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../assets/api.js";
import { SceneDesk } from "../../assets/console/desk.js";
import { History } from "../../assets/console/history.js";
import { applyEdits } from "../../assets/live/edits.js";

const clone = (value) => JSON.parse(JSON.stringify(value));
const MAPS = [{ name: "hall.png" }];

/** Files, a table, and the desk between them. `on` holds what is done before a request is answered. */
function start(t, scene) {
  const files = new Map();
  const on = {};
  let tags = 0;
  const put = (scene) => {
    const file = { scene: clone(scene), tag: `"${++tags}"` };
    files.set(scene.id, file);
    return file;
  };
  const api = {
    loadScene: async (id) => {
      await on.loadScene?.();
      if (!files.has(id)) throw new ApiError(404, "not found");
      return clone(files.get(id));
    },
    updateScene: async (scene, tag) => {
      await on.updateScene?.();
      if (files.get(scene.id)?.tag !== tag) throw new ApiError(412, "changed");
      return put(scene).tag;
    },
    saveScene: async (scene) => {
      await on.saveScene?.();
      const id = `saved-${files.size + 1}`;
      return { id, tag: put({ ...scene, id }).tag };
    },
  };
  const live = Object.assign(new EventTarget(), {
    state: { scene, status: "live", you: { role: "gm" } },
    show: (scene) => {
      live.state.scene = scene;
      live.dispatchEvent(new Event("scene"));
    },
    change: async (edits) => live.show(applyEdits(live.state.scene, edits)),
    changeScene: async (scene) => live.show(clone(scene)),
  });
  const state = Object.assign(new EventTarget(), { scenes: [], errors: {}, reload: async () => { state.scenes = [...files.values()].map(({ scene }) => scene); } });
  const gone = new AbortController();
  t.after(() => gone.abort());
  const desk = new SceneDesk({ live, history: new History(live), api, state }, gone.signal);
  /** A saved scene is on the table. */
  const open = async (id, more = {}) => {
    put({ id, name: id, folder: null, maps: MAPS, images: [], ...more });
    await state.reload();
    await desk.load({ id });
  };
  return { desk, live, state, api, files, on, put, open };
}

const B = { id: "b", name: "B", maps: [] };

test("what is saved as a new scene gives its name to no other one that has come meanwhile", async (t) => {
  const { desk, live, files, on } = start(t, { id: "a", name: "A", maps: MAPS });
  on.saveScene = () => live.show(B);
  await assert.rejects(desk.saveAs("Kept", ""), /“Kept” is saved\. The table shows another scene/);
  assert.deepEqual(live.state.scene, B);
  assert.equal(files.get("saved-1").scene.name, "Kept");
});

test("what is saved is the scene that was meant, or nothing", async (t) => {
  const { desk, live, files, on, open, put } = start(t, null);
  await open("a");
  live.change([{ op: "set", path: ["n"], value: 1 }]);
  put({ ...B, n: 0 });
  await assert.rejects(desk.save({ of: "b" }), /another scene/);
  await assert.rejects(desk.saveAs("Kept", "", "b"), /another scene/);
  on.loadScene = () => live.show({ ...B, n: 2 });
  await assert.rejects(desk.save({ of: "a" }), /another scene/);
  assert.deepEqual([files.get("a").scene.n, files.get("b").scene.n], [undefined, 0]);
  // Once it is written it is in its own file, and the other one is not taken for it.
  delete on.loadScene;
  await desk.load({ id: "a" });
  live.change([{ op: "set", path: ["n"], value: 3 }]);
  on.updateScene = () => live.show({ ...B, n: 2 });
  await assert.rejects(desk.save({ of: "a" }), /“a” is saved\. .*another scene/);
  assert.deepEqual([files.get("a").scene.n, files.get("b").scene.n], [3, 0]);
  assert.equal(live.state.scene.gm_file, undefined);
});

test("a scene that was saved elsewhere is replaced only when that is said", async (t) => {
  const { desk, live, files, open, put } = start(t, null);
  await open("a");
  live.change([{ op: "set", path: ["n"], value: 1 }]);
  put({ ...files.get("a").scene, n: 9 });
  assert.equal(await desk.save({ of: "a" }), "overtaken");
  assert.equal(await desk.save({ of: "a", over: true }), "saved");
  assert.equal(files.get("a").scene.n, 1);
});

test("while the file cannot be read, nothing counts as saved, and the reason is told", async (t) => {
  const { desk, live, state, on } = start(t, null);
  state.scenes = [{ id: "a" }];
  on.loadScene = () => { throw new ApiError(500, "the disk is away"); };
  live.show({ id: "a", name: "A", maps: MAPS });
  assert.equal(desk.hasUnsaved(), true);
  await desk.refresh();
  assert.deepEqual([desk.status, desk.trouble], ["waiting", "the disk is away"]);
  assert.equal(desk.hasUnsaved(), true);
  await desk.saveAs("Kept", "");
  assert.deepEqual([desk.status, desk.trouble, desk.hasUnsaved()], ["saved", "", false]);
});

test("the scene on the table goes with its file into another folder", async (t) => {
  const { desk, live, files, open, put } = start(t, null);
  await open("a");
  await desk.along(async () => put({ ...files.get("a").scene, folder: "Act 2" }));
  assert.equal(live.state.scene.folder, "Act 2");
  assert.equal(desk.status, "saved");
  await desk.along(async () => put({ ...files.get("a").scene, folder: null }));
  assert.equal(live.state.scene.folder, null);
  // Also when it has been changed since, and somebody else has saved it.
  live.change([{ op: "set", path: ["n"], value: 1 }]);
  put({ ...files.get("a").scene, n: 9 });
  await desk.along(async () => put({ ...files.get("a").scene, folder: "Act 3" }));
  assert.deepEqual([live.state.scene.folder, live.state.scene.n, desk.status], ["Act 3", 1, "overtaken"]);
});
