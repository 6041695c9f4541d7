// Scenes and maps beside the table: saved, loaded, put in order, and never lost.

import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { later, openPage, until as untilTrue } from "./server.mjs";
import { POLL, SCENE, faultsOf, startTable, wear } from "./tables.mjs";

const HALL = { ...SCENE, aoeMarkers: [], fogOfWar: [] };
const SPELLTABLE_ID = "1763630870000";

/** The console in the window of the GM who is signed in. */
async function openConsole(gm, part) {
  const { page, problems } = await openPage(gm.page.browserContext());
  await page.setViewport({ width: 1280, height: 800 });
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
    throw new Error(`waited in vain for ${test} ${JSON.stringify(given)}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
  });
  const live = () => until(() => document.querySelector(".console-state")?.textContent === "Live");
  const show = (which) => page.click(`#side-${which}-tab`);
  await page.goto(new URL("/", gm.page.url()).href);
  await live();
  await show(part);
  const within = (selector) => `#side-${part} ${selector}`;
  return {
    page, problems, until, show,
    reload: async () => {
      await page.reload();
      await live();
      await show(part);
    },
    /** What the card of the table's scene says. */
    status: (words) => until((words) => document.querySelector(".desk-status")?.textContent === words, words),
    /** Presses a button by its words or name, in what is open or else in the panel. */
    press: async (text) => {
      // In one go: what is found may be built anew a moment later.
      await until((text) => {
        const places = [...document.querySelectorAll("dialog[open], [popover]:popover-open"), document.querySelector("gm-console")];
        const button = [...places[0].querySelectorAll("button")].find((one) => one.checkVisibility() && !one.disabled && (one.textContent.trim() === text || one.getAttribute("aria-label") === text));
        button?.click();
        return button !== undefined;
      }, text);
    },
    /** Answers a question with a line of text. */
    type: async (text) => {
      const input = await page.waitForSelector("dialog[open] input");
      await input.click({ count: 3 });
      await page.keyboard.type(text);
      await page.keyboard.press("Enter");
      await page.waitForSelector("dialog", { hidden: true });
    },
    answer: async (words) => {
      await page.waitForFunction((words) => [...document.querySelectorAll("dialog[open] button")].some((one) => one.textContent === words), POLL, words);
      const dialog = await page.$("dialog[open]");
      await dialog.evaluate((dialog, words) => [...dialog.querySelectorAll("button")].find((one) => one.textContent === words).click(), words);
      // Another question may follow.
      await page.waitForFunction((dialog) => !dialog.isConnected, POLL, dialog);
    },
    load: (name) => until((name) => {
      const row = document.querySelector(`[title="Load ${name}"]`);
      row?.click();
      return row !== null;
    }, name),
    says: (words) => until((words) => document.querySelector("status-line").textContent.includes(words), words),
    asks: (words) => until((words) => document.querySelector("dialog[open]")?.textContent.includes(words), words),
    within,
    /** The id that a scene got when it was saved; everybody at the table knows it by then. */
    savedId: async () => {
      const id = await page.$eval("table-stage", (stage) => stage.scene.id);
      await gm.until((id) => live.state.scene.id === id, id);
      return id;
    },
    /** Changes something by the page's own controls, so that it can be taken back. */
    grid: async () => {
      if (await page.$eval("grid-panel", ({ hidden }) => hidden)) await page.click('.tool-bar [aria-label="Grid"]');
      await page.click("grid-panel .check input");
    },
  };
}

const scenesOf = async (gm) => (await gm.rest("GET", "/scenes/list")).body.scenes;

test("a scene is saved, changed, saved again, another one is loaded, and Undo leads back", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  const { id: tavern } = (await gm.rest("POST", "/scenes/save", { id: "default", name: "Tavern", maps: [] })).body;
  const console = await openConsole(gm, "scenes");
  await console.status("Not saved yet");
  await console.press("Save as…");
  await console.type("The hall by night");
  await console.status("Saved");
  const id = await console.savedId();
  const stored = async () => (await gm.rest("GET", `/scenes/load/${id}`)).body;
  const { id: storedId, name, images, folder, ...core } = await stored();
  assert.deepEqual([storedId, name, images, folder], [id, "The hall by night", [], null]);
  const { id: _, name: __, ...hall } = HALL;
  assert.deepEqual(core, hall, "a file of SpellTable's model, with nothing of ours in it");
  await console.until((name) => document.querySelector("scenes-panel .is-live strong").textContent.includes(name), "The hall by night");

  await console.grid();
  await console.status("Unsaved changes");
  await console.reload();
  await console.status("Unsaved changes");
  await console.press("Save");
  await console.status("Saved");
  assert.equal((await stored()).gridSettings.showGrid, true);
  await console.reload();
  await console.status("Saved");

  // What is not saved is asked for; nothing happens when it is thought better of.
  await console.grid();
  await console.status("Unsaved changes");
  await console.load("Tavern");
  await console.asks("has changes that are not saved");
  await console.answer("Cancel");
  assert.equal(await gm.act(() => live.state.scene.id), id);
  await console.load("Tavern");
  await console.answer("Go on without saving");
  await gm.until((id) => live.state.scene.id === id, tavern);
  await console.status("Saved");
  assert.equal(await console.page.$eval("scenes-panel .is-live", (row) => row.textContent.includes("Tavern")), true);
  assert.deepEqual(await gm.act(() => live.state.scene.maps), []);

  await console.press("Undo: Loaded “Tavern”");
  await gm.until((id) => live.state.scene.id === id && live.state.scene.gridSettings.showGrid === false, id);
  await console.status("Unsaved changes");
  await console.press("Undo: Changed the grid");
  await console.status("Saved");
  await console.press("Redo: Changed the grid");
  await console.press("Redo: Loaded “Tavern”");
  await gm.until((id) => live.state.scene.id === id, tavern);
  // What is saved is not asked for, and the question's other answer saves first.
  await console.load("The hall by night");
  await gm.until((id) => live.state.scene.id === id && live.state.scene.gridSettings.showGrid === true, id);
  await console.grid();
  await console.status("Unsaved changes");
  await console.load("Tavern");
  await console.answer("Save first");
  await gm.until((id) => live.state.scene.id === id, tavern);
  assert.equal((await stored()).gridSettings.showGrid, false);
  assert.deepEqual(console.problems, []);
});

test("two scenes of one name in one folder are asked for", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  await gm.rest("POST", "/scenes/save", { id: "default", name: "Tavern", maps: [] });
  await gm.rest("POST", "/scenes/save", { id: "default", name: "Cellar", folder: "below", maps: [] });
  const console = await openConsole(gm, "scenes");
  const name = async (text) => {
    await console.asks("Save the scene as");
    await (await console.page.waitForSelector("dialog[open] input")).click({ count: 3 });
    await console.page.keyboard.type(text);
    await console.page.keyboard.press("Enter");
  };
  const names = async () => (await scenesOf(gm)).map(({ name }) => name).sort();
  await console.until(() => document.querySelectorAll("scenes-panel .scene-row").length === 2);
  await console.press("Save as…");
  await name("Tavern");
  await console.asks("“Tavern” is there already");
  await console.answer("Cancel");
  await console.press("Save as…");
  await name("Tavern");
  await console.answer("Another name");
  await name("Cellar");
  await console.says("“Cellar” is saved.");
  assert.deepEqual(await names(), ["Cellar", "Cellar", "Tavern"], "another folder is another place");
  await console.press("Save as…");
  await name("Tavern");
  await console.answer("Keep both");
  await console.says("“Tavern” is saved.");
  assert.deepEqual(await names(), ["Cellar", "Cellar", "Tavern", "Tavern"]);
  assert.deepEqual(console.problems, []);
});

test("a map without a small picture is not called missing; one that is gone is", async (t) => {
  const { server, gm } = await startTable(t);
  await writeFile(path.join(server.data, "maps/odd.png"), "no picture that anybody can read");
  const scene = (name) => gm.rest("POST", "/scenes/save", { id: "default", name, activeMapId: name, maps: [{ ...HALL.maps[0], name }] });
  for (const name of ["odd.png", "gone.png"]) await scene(name);
  await gm.until(async () => (await (await fetch("/maps/list")).json()).maps.some(({ name }) => name === "odd.png"));
  const console = await openConsole(gm, "scenes");
  const card = (name, words) => console.until((name, words) => document.querySelector(`[title="Load ${name}"] .frame`)?.textContent === words, name, words);
  await card("odd.png", "No preview");
  await card("gone.png", "Map is missing");
});

test("a scene that was never saved can be saved before another takes its place", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  const { body: { id: tavern } } = await gm.rest("POST", "/scenes/save", { id: "default", name: "Tavern", maps: [] });
  const console = await openConsole(gm, "scenes");
  const answerName = async (name) => {
    await console.answer("Save first");
    await console.asks("the table goes on as this scene");
    await console.page.$eval("dialog[open] input", (input, name) => { input.value = name; }, name);
  };
  await console.status("Not saved yet");
  // Thought better of: nothing is saved, nothing is loaded.
  await console.load("Tavern");
  await answerName("The hall by day");
  await console.answer("Cancel");
  assert.equal((await scenesOf(gm)).length, 1);
  assert.notEqual(await gm.act(() => live.state.scene.id), tavern);
  await console.load("Tavern");
  await answerName("The hall by day");
  await console.answer("Save");
  await gm.until((id) => live.state.scene.id === id, tavern);
  const saved = (await scenesOf(gm)).find(({ name }) => name === "The hall by day");
  assert.equal(saved.maps.length, HALL.maps.length);
  assert.deepEqual(console.problems, []);
});

test("undo and redo outlive a reload of the page", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  await gm.rest("POST", "/scenes/save", { id: "default", name: "Tavern", maps: [] });
  const console = await openConsole(gm, "scenes");
  await console.grid();
  await gm.until(() => live.state.scene.gridSettings.showGrid === true);
  await console.load("Tavern");
  await console.asks("was never saved");
  await console.answer("Go on without saving");
  await gm.until(() => live.state.scene.name === "Tavern");
  await console.reload();
  await console.press("Undo: Loaded “Tavern”");
  await gm.until(() => live.state.scene.name === "The hall");
  await console.reload();
  await console.press("Undo: Changed the grid");
  await gm.until(() => live.state.scene.gridSettings.showGrid === false);
  await console.reload();
  await console.press("Redo: Changed the grid");
  await gm.until(() => live.state.scene.gridSettings.showGrid === true);
  // What somebody else has done since is safe after a reload as well.
  await console.reload();
  await gm.change({ op: "set", path: ["gridSettings", "showGrid"], value: "by hand" });
  await console.press("Undo: Changed the grid");
  await console.says("changed by somebody else");
  assert.equal(await gm.act(() => live.state.scene.gridSettings.showGrid), "by hand");
  assert.deepEqual(console.problems, []);
});

test("scenes are duplicated, renamed, moved by menu and by dragging, and deleted; folders too", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  const console = await openConsole(gm, "scenes");
  await console.until(() => document.querySelector("scenes-panel .empty")?.textContent.includes("No scenes yet"));
  await console.press("Save as…");
  await console.type("Crypt");
  await console.status("Saved");
  const id = await console.savedId();
  const of = async (name) => (await scenesOf(gm)).find((scene) => scene.name === name);

  // By keyboard alone.
  await console.page.focus('[aria-label="More for Crypt"]');
  await console.page.keyboard.press("Enter");
  await console.page.keyboard.press("ArrowDown");
  await console.page.keyboard.press("Enter");
  await console.says("is a copy of");
  const copy = await of("Crypt (copy)");
  assert.notEqual(copy.id, id);
  assert.deepEqual(copy.initiativeOrder, HALL.initiativeOrder);

  // The scene on the table goes on under its new name, and is still saved.
  await console.press("More for Crypt");
  await console.press("Rename…");
  await console.type("Deep crypt");
  await console.until(() => document.querySelector(".desk-name").textContent === "Deep crypt");
  await gm.until(() => live.state.scene.name === "Deep crypt");
  await console.status("Saved");
  assert.equal((await of("Deep crypt")).id, id);

  await console.press("More for Deep crypt");
  await console.press("Move to a folder…");
  await console.page.waitForSelector("dialog[open] select");
  await console.page.select("dialog[open] select", "\n");
  await console.answer("Move");
  await console.type("Act I/Below");
  await console.says("is in Act I/Below now");
  assert.equal((await of("Deep crypt")).folder, "Act I/Below");
  await console.status("Saved");

  const row = await console.page.waitForSelector('[title="Load Crypt (copy)"]');
  const from = await row.boundingBox();
  const folder = await (await console.page.waitForSelector('scenes-panel [data-folder="Act I"] h3')).boundingBox();
  await console.page.mouse.move(from.x + 120, from.y + 20);
  await console.page.mouse.down();
  await console.page.mouse.move(folder.x + 60, folder.y + 10, { steps: 6 });
  await console.page.mouse.move(folder.x + 62, folder.y + 14, { steps: 3 });
  await console.page.mouse.up();
  await console.says("is in Act I now");
  assert.equal((await of("Crypt (copy)")).folder, "Act I");

  await console.press("More for the folder Act I");
  await console.press("Rename the folder…");
  await console.type("Act One");
  await console.says("The folder is called Act One now");
  assert.deepEqual((await scenesOf(gm)).map((scene) => scene.folder).sort(), ["Act One", "Act One/Below"]);
  // Changes come from the version that was moved along: no question is asked.
  await console.grid();
  await console.status("Unsaved changes");
  await console.press("Save");
  await console.status("Saved");
  assert.equal((await of("Deep crypt")).folder, "Act One/Below");

  await console.page.type('scenes-panel [type="search"]', "deep");
  await console.until(() => document.querySelectorAll("scenes-panel .scene-row").length === 1);
  await console.press("More for Deep crypt");
  await console.press("Delete…");
  await console.asks("It is on the table now and stays there, unsaved.");
  await console.answer("Delete scene");
  await console.status("Not saved yet");
  assert.equal(await gm.act(() => live.state.scene.maps.length), 2, "the table is as it was");
  await console.page.$eval('scenes-panel [type="search"]', (input) => {
    input.value = "";
    input.dispatchEvent(new Event("input"));
  });
  await console.press("More for the folder Act One");
  await console.press("Delete the folder…");
  await console.asks("1 scene in it goes with it");
  await console.answer("Delete folder");
  await console.until(() => document.querySelector("scenes-panel .empty")?.textContent.includes("No scenes yet"));
  assert.deepEqual(await scenesOf(gm), []);
  assert.deepEqual(console.problems, []);
});

test("nobody's newer version is saved over without a question", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(HALL);
  const console = await openConsole(gm, "scenes");
  await console.press("Save as…");
  await console.type("Crypt");
  await console.status("Saved");
  const id = await console.savedId();
  const elsewhere = (name) => gm.rest("PUT", `/scenes/${id}`, { id, name: "Crypt", maps: [], initiativeOrder: [{ id: "x", name }] });
  await elsewhere("Theirs");
  await console.grid();
  await console.press("Save");
  await console.asks("Somebody else has saved another version");
  await console.answer("Cancel");
  await console.status("Saved elsewhere since; this table is different");
  const names = async () => Object.fromEntries((await scenesOf(gm)).map((scene) => [scene.name, scene.initiativeOrder.map((one) => one.name)]));
  assert.deepEqual(await names(), { Crypt: ["Theirs"] });
  // The page that is opened again knows it too.
  await console.reload();
  await console.status("Saved elsewhere since; this table is different");

  await console.press("Save");
  await console.answer("Save as…");
  await console.type("Ours");
  await console.status("Saved");
  const ours = HALL.initiativeOrder.map((one) => one.name);
  assert.deepEqual(await names(), { Crypt: ["Theirs"], Ours: ours });

  await console.load("Crypt");
  await gm.until((id) => live.state.scene.id === id, id);
  await console.status("Saved");
  await elsewhere("Theirs again");
  await console.grid();
  await console.press("Save");
  await console.asks("Replacing it loses theirs");
  await console.answer("Replace theirs");
  await console.status("Saved");
  assert.deepEqual(await names(), { Crypt: ["Theirs"], Ours: ours });
  assert.deepEqual(console.problems, []);
});

test("SpellTable's scenes are known by its own ids, and ours are files that it loads", async (t) => {
  const { gm } = await startTable(t);
  const scene = { ...HALL, id: SPELLTABLE_ID, name: "My scene (11/20/2026, 9:27:50 AM)" };
  const { id } = (await gm.rest("POST", "/scenes/save", scene)).body;
  await gm.show(scene);
  const console = await openConsole(gm, "scenes");
  await console.status("Saved");
  await console.grid();
  await console.status("Unsaved changes");
  await console.press("Save");
  await console.status("Saved");
  assert.equal((await gm.rest("GET", `/scenes/load/${id}`)).body.gridSettings.showGrid, true);
  // SpellTable saves what is on the table, then loads another scene by sending it.
  await gm.rest("PUT", `/scenes/${SPELLTABLE_ID}`, { ...(await gm.act(() => live.state.scene)), showCurrentPlayer: false });
  await gm.change({ op: "set", path: ["showCurrentPlayer"], value: false });
  await console.reload();
  await console.status("Saved");
  await console.press("New scene");
  await gm.until(() => live.state.scene.maps.length === 0);
  await console.status("Not saved yet");
  await gm.show((await gm.rest("GET", `/scenes/load/${id}`)).body);
  await console.status("Saved");
  await console.press("Save as…");
  await console.type("Ours");
  await console.until(() => document.querySelector(".desk-name").textContent === "Ours");
  const own = await console.savedId();
  const ours = (await gm.rest("GET", `/scenes/load/${own}`)).body;
  assert.deepEqual(Object.keys(ours).filter((key) => !(key in scene) && key !== "folder"), ["images"]);
  assert.deepEqual((await gm.rest("GET", `/scenes/load/${SPELLTABLE_ID}`)).body.id, id, "the page's id still leads to its own file");
  assert.deepEqual(console.problems, []);
});

/** A picture of one colour, as the server takes it. */
const picture = (gm) => gm.act(async () => {
  const canvas = new OffscreenCanvas(32, 24);
  canvas.getContext("2d").fillRect(0, 0, 32, 24);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
});

test("whole folders are dropped in with their order, and what fails says why and is sent again", async (t) => {
  const { server, gm } = await startTable(t);
  const png = Buffer.from(await picture(gm), "base64");
  const pack = path.join(path.dirname(server.data), "Pack");
  later(t, () => rm(pack, { recursive: true, force: true }));
  await mkdir(path.join(pack, "Caves/deep"), { recursive: true });
  for (const name of ["cover.png", "Caves/one.png", "Caves/two.png", "Caves/deep/three.png"]) await writeFile(path.join(pack, name), png);
  await writeFile(path.join(pack, "readme.txt"), "hello");
  await writeFile(path.join(pack, "Caves/broken.png"), "no picture");

  const console = await openConsole(gm, "maps");
  await console.page.waitForSelector(console.within("map-library .tools:not([hidden])"));
  const place = await (await console.page.waitForSelector(console.within("map-library .shelf"))).boundingBox();
  const devtools = await console.page.createCDPSession();
  const drag = (type) => devtools.send("Input.dispatchDragEvent", { type, x: place.x + 40, y: place.y + 20, data: { items: [], files: [pack], dragOperationsMask: 1 } });
  await drag("dragEnter");
  await drag("dragOver");
  await drag("drop");
  await console.until(() => document.querySelectorAll('upload-dock .job[data-phase="stored"]').length === 4);
  await console.until(() => document.querySelectorAll('upload-dock .job[data-phase="failed"]').length === 1);
  const maps = async () => (await gm.rest("GET", "/maps/list")).body.maps.map(({ name, folder }) => `${folder ?? ""}/${name}`).filter((path) => path.startsWith("Pack")).sort();
  assert.deepEqual(await maps(), ["Pack/Caves/deep/three.png", "Pack/Caves/one.png", "Pack/Caves/two.png", "Pack/cover.png"]);
  await console.until(() => document.querySelector('map-library [data-folder="Pack/Caves/deep"] [aria-label="Put three.png on the table"]'));
  const words = await console.page.$eval('upload-dock .job[data-phase="failed"] .job-words', (words) => words.textContent);
  assert.match(words, /picture|image|png/i);
  // Sent again it fails again, unless the server takes it by then.
  await console.page.click('[aria-label="Send broken.png again"]');
  await console.until(() => document.querySelector('upload-dock .job[data-phase="failed"]'));
  // A folder that is closed hides what is in it.
  const toggle = '[data-folder="Pack/Caves"] .shelf-toggle';
  await console.page.click(console.within(toggle));
  await console.until(() => document.querySelector('#side-maps [data-folder="Pack/Caves/deep"]') === null);
  assert.equal(await console.page.$eval(console.within(toggle), (button) => button.getAttribute("aria-expanded")), "false");
  // The browser itself reports the 415s; anything else would be the page's fault.
  assert.deepEqual(console.problems.filter((problem) => !problem.includes("415")), []);
});

test("what is cancelled can be sent again, and the sum of all is shown", async (t) => {
  const { gm } = await startTable(t);
  const console = await openConsole(gm, "maps");
  const throttle = await console.page.createCDPSession();
  const speed = (bytes) => throttle.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes });
  await console.page.waitForSelector(console.within("map-library .tools:not([hidden])"));
  await speed(50_000);
  await console.page.evaluate(async () => {
    const transfer = new DataTransfer();
    for (const name of ["noise-1.png", "noise-2.png"]) {
      const canvas = new OffscreenCanvas(400, 300);
      const pen = canvas.getContext("2d");
      const pixels = pen.createImageData(400, 300);
      for (let at = 0; at < pixels.data.length; at += 60_000) crypto.getRandomValues(pixels.data.subarray(at, Math.min(at + 60_000, pixels.data.length)));
      pen.putImageData(pixels, 0, 0);
      transfer.items.add(new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" }));
    }
    document.querySelector("#side-maps map-library").dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
  });
  await console.until(() => /^Sending 2 files, [\d.]+ .?.?.* of [\d.]+ (KB|MB)/.test(document.querySelector("upload-dock h2").textContent));
  await console.page.evaluate(() => [...document.querySelectorAll("upload-dock header button")].find((one) => one.textContent === "Cancel all").click());
  await console.until(() => document.querySelectorAll('upload-dock .job[data-phase="cancelled"]').length === 2);
  await speed(-1);
  await console.page.click('[aria-label="Send noise-2.png again"]');
  await console.until(() => document.querySelector('upload-dock .job[data-phase="stored"]'));
  await console.until(() => document.querySelector('#side-maps [aria-label="Put noise-2.png on the table"]'));
  assert.equal(await console.page.$('#side-maps [aria-label="Put noise-1.png on the table"]'), null);
  assert.deepEqual(console.problems, []);
});

test("maps are found, renamed, moved onto folders, and deleted with a word about who uses them", async (t) => {
  const { gm } = await startTable(t);
  await gm.show({ ...HALL, maps: [HALL.maps[0]] });
  await gm.rest("POST", "/scenes/save", { ...HALL, name: "The great hall", maps: [HALL.maps[0]] });
  await gm.rest("POST", "/maps/folder", { folder_name: "castle" });
  const console = await openConsole(gm, "maps");
  const card = await console.page.waitForSelector('[aria-label="Put hall.png on the table"]');
  await card.scrollIntoView();
  const from = await card.boundingBox();
  const folder = await (await console.page.waitForSelector(console.within('[data-folder="castle"] h3'))).boundingBox();
  await console.page.mouse.move(from.x + 20, from.y + 20);
  await console.page.mouse.down();
  await console.page.mouse.move(folder.x + 60, folder.y + 10, { steps: 6 });
  await console.page.mouse.move(folder.x + 62, folder.y + 14, { steps: 3 });
  await console.page.mouse.up();
  await console.says("hall.png is in castle now; 2 scenes changed with it");
  await gm.until(() => live.state.scene.maps[0].folder === "castle");

  await console.press("More for hall.png");
  await console.press("Rename…");
  await console.type("great hall.png");
  await gm.until(() => live.state.scene.maps[0].name === "great hall.png");
  await console.page.type(console.within('[type="search"]'), "CASTLE");
  await console.until(() => document.querySelectorAll("#side-maps .shelf-card").length === 1);

  await console.press("More for great hall.png");
  await console.press("Delete…");
  await console.asks("It is used in “The great hall”. It lies on the table now.");
  await console.answer("Cancel");
  await console.press("Delete the folder castle");
  await console.asks("1 map in it goes with it. It is used in “The great hall”. It lies on the table now.");
  await console.answer("Cancel");
  await console.press("More for great hall.png");
  await console.press("Delete…");
  await console.answer("Delete map");
  await untilTrue("the map to be gone", async () => (await gm.rest("GET", "/maps/list")).body.maps.length === 1);
  assert.deepEqual(console.problems.filter((problem) => !problem.includes("404")), []);
});

test("a map is said to be moved when its list shows it, so that what is done next is done to the right file", async (t) => {
  const { gm } = await startTable(t);
  await gm.rest("POST", "/maps/folder", { folder_name: "castle" });
  const console = await openConsole(gm, "maps");
  await console.page.waitForSelector(console.within('[aria-label="More for hall.png"]'));
  const held = [];
  let isHeld = true;
  await console.page.setRequestInterception(true);
  console.page.on("request", (request) => (isHeld && new URL(request.url()).pathname === "/maps/list" ? held.push(request) : request.continue()));
  await console.press("More for hall.png");
  await console.press("Move to a folder…");
  await console.page.select("dialog[open] select", "castle");
  await console.answer("Move");
  await untilTrue("the list to be asked for", async () => held.length > 0);
  assert.doesNotMatch(await console.page.$eval("status-line", (line) => line.textContent), /hall\.png is in castle now/);
  isHeld = false;
  await Promise.all(held.map((request) => request.continue()));
  await console.says("hall.png is in castle now");
  assert.ok(await console.page.$(console.within('[data-folder="castle"] [aria-label="More for hall.png"]')));
  assert.deepEqual(console.problems, []);
});

test("the table that follows a map's new name comes from the same file as before", async (t) => {
  const { server, gm } = await startTable(t);
  await gm.show(HALL);
  const console = await openConsole(gm, "scenes");
  await console.press("Save as…");
  await console.type("Crypt");
  await console.status("Saved");
  await console.grid();
  await console.status("Unsaved changes");
  await console.show("maps");
  await console.press("More for hall.png");
  await console.press("Rename…");
  await console.type("crypt.png");
  await gm.until(() => live.state.scene.maps[0].name === "crypt.png");
  await console.show("scenes");
  await console.says("Renamed to crypt.png");
  await console.press("Save");
  await console.status("Saved");
  const [file] = await scenesOf(gm);
  const text = await readFile(path.join(server.data, "scenes", `${file.id}.json`), "utf8");
  assert.equal(JSON.parse(text).maps[0].name, "crypt.png");
  assert.doesNotMatch(text, /gm_file/);
  assert.deepEqual(console.problems, []);
});

for (const scheme of ["dark", "light"]) {
  test(`axe finds nothing wrong with scenes and maps, beside the table and on their tabs (${scheme})`, async (t) => {
    const { gm } = await startTable(t);
    await gm.show(HALL);
    await gm.rest("POST", "/scenes/save", { ...HALL, folder: "Act I" });
    const console = await openConsole(gm, "scenes");
    await wear(console.page, scheme);
    await console.page.waitForSelector("scenes-panel .scene-row");
    assert.deepEqual(await faultsOf(console.page), [], "scenes");
    await console.press("More for The hall");
    assert.deepEqual(await faultsOf(console.page), [], "a menu");
    await console.page.keyboard.press("Escape");
    assert.equal(await console.page.evaluate(() => document.activeElement.getAttribute("aria-label")), "More for The hall");
    await console.show("maps");
    assert.deepEqual(await faultsOf(console.page), [], "maps");
    for (const part of ["maps", "scenes"]) {
      await console.page.click(`#tab-${part}`);
      assert.deepEqual(await faultsOf(console.page), [], `the tab ${part}`);
    }
    // From its own tab, too.
    await console.page.click('#scenes [aria-label="Load The hall"]');
    await console.answer("Go on without saving");
    await console.page.waitForSelector("#table:not([hidden])");
  });
}
