// Pages of another origin that speak to the API as SpellTable's two generations of frontends do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { DEMO, openPage, startBrowser, startPages, startServer } from "./server.mjs";

/** Only one page can be in front, and the others are not painted: ask by the clock, not by the frame. */
const POLL = { polling: 50 };

/** @param {import("node:test").TestContext} t */
async function startTable(t, mode) {
  const [server, pages] = [await startServer(t), await startPages(t)];
  const browser = await startBrowser(t);
  const open = async (name) => {
    const { page, problems } = await openPage(browser);
    await page.goto(`${pages}/${name}.html?mode=${mode}&api=${encodeURIComponent(server.origin)}`);
    await page.waitForFunction((name) => globalThis[name].live.received.some((m) => m.type === "connection_status"), POLL, name);
    return { page, problems };
  };
  const admin = await open("admin");
  const viewer = await open("viewer");
  return { server, open, admin, viewer };
}

/**
 * Waits until the viewer shows what the GM has sent last, and the GM's own page has it back if it
 * gets echoes at all; says what differs when that never comes.
 */
async function follows(admin, viewer) {
  const wanted = await admin.page.evaluate(() => JSON.stringify(admin.sent));
  await viewer.page.waitForFunction((wanted) => JSON.stringify(viewer.scene) === wanted, POLL, wanted).catch(async () => {
    assert.equal(await viewer.page.evaluate(() => JSON.stringify(viewer.scene)), wanted);
  });
  if (!admin.page.url().includes("mode=seed")) return;
  await admin.page.waitForFunction((wanted) => {
    const echo = admin.live.received.findLast((m) => m.type === "scene_update");
    return JSON.stringify(echo?.scene) === wanted;
  }, POLL, wanted);
}

const loaded = (page, name, width) =>
  page.waitForFunction((name, width) => {
    // The width is known as soon as the file's head has come.
    const img = document.querySelector(`img[alt="${name}"]`);
    return img?.complete && img.naturalWidth === width;
  }, POLL, name, width);

/** Messages of a kind that a page has got so far. */
const got = (page, name, type) =>
  page.evaluate((name, type) => globalThis[name].live.received.filter((m) => m.type === type), name, type);

/** One page sends a message that is relayed; when the other has it, everything sent before is there too. */
async function barrier(from, fromName, to, toName) {
  const markerId = `barrier-${Math.random()}`;
  await from.page.evaluate((name, markerId) => globalThis[name].send({ type: "highlight_marker", markerId }), fromName, markerId);
  await to.page.waitForFunction((name, markerId) => globalThis[name].live.received.some((m) => m.markerId === markerId), POLL, toName, markerId);
}

for (const mode of ["seed", "newest"]) {
  test(`a GM with the ${mode} frontend runs a session, and the players see all of it`, async (t) => {
    const { admin, viewer, open } = await startTable(t, mode);
    const act = (work, ...given) => admin.page.evaluate(work, ...given);

    await t.test("a map is uploaded, put on the scene, shown and dragged", async () => {
      await (await admin.page.$("#file")).uploadFile(path.join(DEMO, "maps/crypt.jpg"));
      const sent = await act(() => admin.upload());
      assert.deepEqual(sent, { status: 200, body: { filename: "crypt.jpg", folder: "" } });
      assert.deepEqual(await act(() => admin.manageMaps()), { maps: [{ name: "crypt.jpg", folder: null }], folders: [] });
      await act(() => admin.use("crypt.jpg"));
      await follows(admin, viewer);
      assert.equal(await viewer.page.$$eval("img", (all) => all.length), 0, "a hidden map is not shown");
      await act(() => admin.show("crypt.jpg"));
      await loaded(admin.page, "crypt.jpg", 3840);
      await loaded(viewer.page, "crypt.jpg", 3840);
      assert.equal((await viewer.page.evaluate(() => viewer.colour("crypt.jpg")))[3], 255, "the page may read the picture");
      const end = await act(() => admin.drag(45));
      assert.deepEqual(end, { x: 9 + 45 * 0.375, y: 16 - 45 / 3 });
      await follows(admin, viewer);
    });

    await t.test("area markers, initiative and what else belongs to a fight arrive", async () => {
      await act(() => {
        admin.mark("m1");
        admin.fight();
      });
      if (mode === "newest") await act(() => admin.fog());
      await follows(admin, viewer);
      assert.deepEqual(await viewer.page.$$eval("#initiative li", (all) => all.map((line) => line.textContent)), ["Brenna 21", "Gnoll 14"]);
    });

    await t.test(mode === "seed" ? "the sender gets its own scene back" : "the sender does not get its own scene back", async () => {
      await act(() => admin.mark("m2"));
      await follows(admin, viewer);
      const isM2 = (m) => m.scene.aoeMarkers.some((marker) => marker.id === "m2");
      if (mode === "seed") {
        const echo = (await got(admin.page, "admin", "scene_update")).filter(isM2);
        assert.deepEqual(Object.keys(echo[0]), ["type", "scene"]);
      } else {
        await barrier(viewer, "viewer", admin, "admin");
        assert.deepEqual(await got(admin.page, "admin", "scene_update"), []);
      }
    });

    let id = "";
    await t.test("Save As, then Save with the page's own id, then list and load", async () => {
      const saved = await act(() => admin.saveAs("My scene (11/20/2026, 9:27:50 AM)"));
      assert.equal(saved.status, 200);
      assert.equal(saved.body.message, "Scene saved successfully");
      await follows(admin, viewer);
      const own = await act(() => admin.scene.id);
      assert.match(own, /^\d{13}$/);
      await act(() => admin.mark("m3"));
      await follows(admin, viewer);
      assert.deepEqual(await act(() => admin.save()), { status: 200, ok: true, body: { message: "Scene updated successfully" } });

      const { body: { scenes, folders } } = await act(() => admin.call("GET", "/scenes/list"));
      assert.deepEqual(folders, []);
      assert.equal(scenes.length, 1);
      id = scenes[0].id;
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
      assert.deepEqual(scenes[0].aoeMarkers.map((marker) => marker.id), ["m1", "m2", "m3"], "area markers are kept");
      if (mode === "newest") assert.equal(scenes[0].fogOfWar.length, 1, "fog is kept");

      const { status, body } = await act((id) => admin.load(id), id);
      assert.equal(status, 200);
      assert.equal(body.name, "My scene (11/20/2026, 9:27:50 AM)");
      await follows(admin, viewer);
      assert.equal(await viewer.page.evaluate(() => viewer.scene.id), id);
    });

    await t.test("scene folders are made, filled, renamed and emptied", async () => {
      const call = (...given) => act((...given) => admin.call(...given), ...given);
      assert.equal((await call("POST", "/scenes/folder", { folder_name: "Act 1" })).status, 200);
      assert.equal((await call("POST", "/scenes/folder", { folder_name: "Crypt", parent_folder: "Act 1" })).status, 200);
      const scene = (await call("GET", `/scenes/load/${id}`)).body;
      assert.equal((await call("PUT", `/scenes/${id}`, { ...scene, folder: "Act 1/Crypt" })).status, 200);
      assert.equal((await call("PUT", "/scenes/folder/Act 1", { new_name: "Act I" })).status, 200);
      const { body } = await call("GET", "/scenes/list");
      assert.deepEqual(body.folders.map(({ name, path, parent }) => ({ name, path, parent })), [
        { name: "Act I", path: "Act I", parent: "" },
        { name: "Crypt", path: "Act I/Crypt", parent: "Act I" },
      ]);
      assert.deepEqual(body.scenes.map((each) => [each.id, each.folder]), [[id, "Act I/Crypt"]]);
      const { folder, ...bare } = body.scenes[0];
      assert.equal(folder, "Act I/Crypt");
      assert.equal((await call("PUT", `/scenes/${id}`, bare)).status, 200);
      assert.equal((await call("DELETE", "/scenes/folder/Act I")).status, 200);
      const after = (await call("GET", "/scenes/list")).body;
      assert.deepEqual(after.folders, []);
      assert.deepEqual(after.scenes.map((each) => [each.id, each.folder ?? null]), [[id, null]]);
    });

    await t.test("a map that is moved and renamed keeps its place in scenes, and the players are told once", async () => {
      const call = (...given) => act((...given) => admin.call(...given), ...given);
      assert.equal((await call("POST", "/maps/folder", { folder_name: "dungeons" })).status, 200);
      assert.equal((await call("POST", "/maps/folder", { folder_name: "level1", parent_folder: "dungeons" })).status, 200);
      const old = await viewer.page.$eval("img", (img) => img.src);
      assert.equal((await call("PUT", "/maps/move/crypt.jpg", { folder: "dungeons/level1" })).status, 200);
      const { maps, folders } = await act(() => admin.manageMaps());
      assert.deepEqual(maps, [{ name: "crypt.jpg", folder: "dungeons/level1" }]);
      assert.deepEqual(folders.map(({ path, parent }) => [path, parent]), [["dungeons", null], ["dungeons/level1", "dungeons"]]);
      await follows(admin, viewer);
      await loaded(viewer.page, "crypt.jpg", 3840);
      // Scenes that other programs keep still name the old folder.
      const width = await viewer.page.evaluate((url) => new Promise((resolve, reject) => {
        const img = new Image();
        img.crossOrigin = "anonymous";
        img.onload = () => resolve(img.naturalWidth);
        img.onerror = () => reject(new Error(`no picture at ${url}`));
        img.src = `${url}?again`;
      }), old);
      assert.equal(width, 3840, "the old address still leads there");

      const before = (await got(viewer.page, "viewer", "scene_update")).length;
      const renamed = await call("PUT", "/maps/rename/crypt.jpg", { new_name: "deep crypt.jpg" });
      assert.equal(renamed.status, 200);
      assert.ok(Number(renamed.body.scenes_updated) > 0);
      await viewer.page.waitForFunction(() => viewer.scene.activeMapId === "deep crypt.jpg", POLL);
      await loaded(viewer.page, "deep crypt.jpg", 3840);
      await act(() => {
        admin.renamed("crypt.jpg", "deep crypt.jpg");
        admin.mark("after");
      });
      await viewer.page.waitForFunction(() => viewer.scene.aoeMarkers.some((marker) => marker.id === "after"), POLL);
      const told = (await got(viewer.page, "viewer", "scene_update")).slice(before);
      // What was under way before the new name comes first.
      const since = told.slice(told.findIndex((m) => m.scene.activeMapId === "deep crypt.jpg"));
      assert.deepEqual(since.map((m) => [m.scene.activeMapId, m.scene.maps[0].name, m.scene.aoeMarkers.some((marker) => marker.id === "after")]), [
        ["deep crypt.jpg", "deep crypt.jpg", false],
        ["deep crypt.jpg", "deep crypt.jpg", true],
      ]);
      const stored = (await call("GET", `/scenes/load/${id}`)).body;
      assert.equal(stored.activeMapId, "deep crypt.jpg");
      assert.equal(stored.maps[0].name, "deep crypt.jpg");
    });

    if (mode === "newest") {
      await t.test("covering and turning the table, highlights and effects reach the others only", async () => {
        await act(() => {
          admin.send({ type: "ping" });
          admin.send({ type: "blank_viewer", isBlank: "whatever" });
          admin.send({ type: "highlight_marker", markerId: "m1" });
          admin.send({ type: "rotate_viewer" });
          admin.send({ type: "scene_event", eventType: "ripple_effect", x: 1.5, y: 2, secret: "not for you" });
        });
        await viewer.page.waitForFunction(() => viewer.live.received.some((m) => m.type === "scene_event"), POLL);
        assert.equal(await viewer.page.$eval("#blank", (blank) => blank.hidden), false);
        assert.deepEqual(await got(viewer.page, "viewer", "blank_viewer"), [{ type: "blank_viewer", isBlank: true }]);
        assert.deepEqual((await got(viewer.page, "viewer", "highlight_marker")).at(-1), { type: "highlight_marker", markerId: "m1" });
        assert.deepEqual(await got(viewer.page, "viewer", "rotate_viewer"), [{ type: "rotate_viewer", isRotated: true }]);
        assert.deepEqual(await got(viewer.page, "viewer", "scene_event"), [{ type: "scene_event", eventType: "ripple_effect", x: 1.5, y: 2 }]);
        await act(() => {
          admin.send({ type: "unblank_viewer" });
          admin.send({ type: "unrotate_viewer" });
        });
        await viewer.page.waitForFunction(() => document.querySelector("#blank").hidden, POLL);
        await barrier(viewer, "viewer", admin, "admin");
        for (const type of ["blank_viewer", "unblank_viewer", "rotate_viewer", "scene_event"]) {
          assert.deepEqual(await got(admin.page, "admin", type), [], `${type} does not come back`);
        }
      });
    }

    await t.test("who comes late sees the same, and nothing was wrong on any page", async () => {
      const late = await open("viewer");
      await follows(admin, late);
      await follows(admin, viewer);
      await loaded(late.page, "deep crypt.jpg", 3840);
      const kinds = await late.page.evaluate(() => viewer.live.received.slice(0, 2).map((m) => m.type));
      assert.deepEqual(kinds, ["connection_status", "scene_update"]);

      const call = (...given) => act((...given) => admin.call(...given), ...given);
      assert.equal((await call("DELETE", `/scenes/${id}`)).status, 200);
      // The frontends send the bare name of a folder, wherever it is.
      assert.equal((await call("DELETE", "/maps/folder/level1")).status, 200);
      assert.deepEqual((await call("GET", "/maps/list")).body, { maps: [] });
      assert.deepEqual([...admin.problems, ...viewer.problems, ...late.problems], []);
    });
  });
}

test("a page of another origin can read why something was refused", async (t) => {
  const { admin } = await startTable(t, "newest");
  const answers = await admin.page.evaluate(() => Promise.all([
    admin.call("GET", "/maps/data/nope.png"),
    admin.call("PUT", "/scenes/default", admin.scene),
    admin.call("POST", "/scenes/save", { name: 7 }),
    admin.call("DELETE", "/maps/file/nope.png"),
    admin.call("GET", "/no/such/path"),
  ]));
  assert.deepEqual(answers.map(({ status }) => status), [404, 404, 422, 404, 404]);
  assert.equal(answers[0].body.detail, "Map 'nope.png' not found");
  assert.equal(answers[1].body.detail, "Scene not found");
  assert.deepEqual(answers[2].body.detail.map(({ type, loc }) => [type, loc]), [["missing", ["body", "id"]], ["string_type", ["body", "name"]]]);
  assert.equal(answers[4].body.detail, "Not Found");
});

test("maps are shown on pages at every name and port of this machine, and nowhere else", async (t) => {
  const server = await startServer(t);
  const form = new FormData();
  form.append("file", new File([await readFile(path.join(DEMO, "maps/crypt.jpg"))], "crypt.jpg"));
  assert.equal((await fetch(`${server.base}/maps/upload`, { method: "POST", body: form })).status, 200);
  const page = { type: "text/html; charset=utf-8", body: "<!doctype html><title>Maps</title>" };
  const silent = { ...page, body: `${page.body}<meta name="referrer" content="no-referrer">` };
  const browser = await startBrowser(t);
  const shown = (page, url) => page.evaluate((url) => new Promise((resolve) => {
    const picture = new Image();
    picture.addEventListener("load", () => resolve(picture.naturalWidth > 0));
    picture.addEventListener("error", () => resolve(false));
    picture.src = url;
  }), url);
  for (const host of ["localhost", "127.0.0.1"]) {
    const pages = await startPages(t, { "maps.html": page, "silent.html": silent }, host);
    const { page: open } = await openPage(browser);
    for (const api of ["localhost", "127.0.0.1"]) {
      const map = Object.assign(new URL("/maps/file/crypt.jpg", server.origin), { hostname: api });
      await open.goto(`${pages}/maps.html`);
      assert.equal(await shown(open, `${map}?${host}`), true, `${host} shows ${api}`);
      // A page that does not say who it is might be anybody's.
      await open.goto(`${pages}/silent.html`);
      assert.equal(await shown(open, `${map}?silent-${host}`), host === api && host === "localhost", `${host} in silence, ${api}`);
    }
  }
});
