// The tools of the stage: handles, areas, frames of screens, the grid, turns by hand, keys.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { rectOn } from "../../assets/console/frames.js";
import { moveEntry, sortEntries, stepEntry } from "../../assets/console/order.js";
import { homeOf, poseEdits } from "../../assets/console/pose.js";
import { SHORTCUTS, nameOfKey } from "../../assets/console/shortcuts.js";
import { applyEdits } from "../../assets/live/edits.js";
import { Camera } from "../../assets/stage/camera.js";
import { handleAt, handlesOfFrame, handlesOfMap, handlesOfMarker, sizedFeet, sizedFrame, sizedMap, turnedBy } from "../../assets/stage/handles.js";
import { areaPlace, gridOf, markersOf } from "../../assets/stage/model.js";
import { outlineOf } from "../../assets/stage/shapes.js";
import { inPolygon } from "../../assets/stage/geometry.js";
import { openConsole, openScreen } from "./consoles.mjs";
import { COLORS, SCENE, faultsOf, startTable } from "./tables.mjs";

const { red, blue } = COLORS;
const near = (a, b, by = 1e-6) => assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);
const nearPoint = (a, b, by) => { near(a.x, b.x, by); near(a.y, b.y, by); };
const camera = (values) => Object.assign(new Camera(), { width: 1000, height: 800, x: 500, y: 400 }, values);
const GRID = gridOf(SCENE);
const SHAPES = ["circle", "cone", "line", "square", "cube", "cylinder"];
const marker = (shape, more = {}) => markersOf({ ...SCENE, aoeMarkers: [{ ...SCENE.aoeMarkers[0], shape, sizeInFeet: 20, ...more }] }, GRID)[0];

suite("handles", () => {
  const box = { x: 400, y: 300, width: 200, height: 100, rotation: 0 };

  test("a map has its corners and one that turns it, inside where outside is out of sight", () => {
    const handles = handlesOfMap(box, camera());
    assert.deepEqual(handles.map(({ does }) => does), ["size", "size", "size", "size", "turn"]);
    nearPoint(handles[2], { x: 500, y: 350 });
    nearPoint(handles[4], { x: 400, y: 220 });
    nearPoint(handlesOfMap({ ...box, y: 50 }, camera())[4], { x: 400, y: 30 });
    nearPoint(handlesOfMap({ ...box, rotation: 90 }, camera())[4], { x: 480, y: 300 });
    // They are as far away on the screen, however near one looks.
    nearPoint(handlesOfMap({ ...box, y: 400 }, camera({ zoom: 2 }))[4], { x: 400, y: 335 });
    assert.equal(handleAt(handles, { x: 503, y: 352 }, 10)?.nth, 2);
    assert.equal(handleAt(handles, { x: 450, y: 300 }, 10), null);
  });

  test("a corner that is dragged leaves the opposite one where it is, however the map is turned", () => {
    for (const rotation of [0, 30, 90, 200]) {
      const turned = { ...box, rotation };
      for (const nth of [0, 1, 2, 3]) {
        const handles = handlesOfMap(turned, camera());
        const [corner, fixed] = [handles[nth], handles[(nth + 2) % 4]];
        const to = { x: fixed.x + (corner.x - fixed.x) * 1.5, y: fixed.y + (corner.y - fixed.y) * 1.5 };
        const pose = sizedMap({ box: turned, scale: 2 }, nth, to, { cell: 50, snaps: false });
        near(pose.scale, 3, 1e-3);
        const after = handlesOfMap({ ...turned, x: pose.x, y: pose.y, width: 300, height: 150 }, camera());
        nearPoint(after[(nth + 2) % 4], fixed, 0.2);
        nearPoint(after[nth], to, 0.2);
      }
    }
  });

  test("a map snaps to whole cells across, and never turns inside out", () => {
    const map = { box, scale: 1 };
    near(sizedMap(map, 2, { x: 520, y: 360 }, { cell: 50, snaps: true }).scale, 1, 1e-6);
    near(sizedMap(map, 2, { x: 545, y: 372 }, { cell: 50, snaps: true }).scale, 1.25, 1e-6);
    const least = sizedMap(map, 2, { x: -900, y: -900 }, { cell: 50, snaps: false });
    near(least.scale, 0.01, 1e-6);
    assert.ok(sizedMap(map, 2, { x: 1e6, y: 1e6 }, { cell: 50, snaps: false }).scale <= 20);
  });

  test("angles go with the hand, in whole degrees, and snap to 15", () => {
    const thing = { x: 0, y: 0, rotation: 350 };
    assert.equal(turnedBy(thing, { x: 0, y: -10 }, { x: 10, y: 0 }, false), 80);
    assert.equal(turnedBy(thing, { x: 0, y: -10 }, { x: 10, y: 0 }, true), 75);
    assert.equal(turnedBy({ ...thing, rotation: 0 }, { x: 0, y: -10 }, { x: -1, y: -10 }, false), 354);
    // Taken inside or outside, it is the same.
    assert.equal(turnedBy(thing, { x: 0, y: -3 }, { x: 70, y: 0 }, false), 80);
  });

  for (const shape of SHAPES) {
    test(`a ${shape} is sized by its handles, which lie on it, in steps of 5 feet`, () => {
      for (const rotation of [0, 45, 270]) {
        const area = marker(shape, { rotation });
        const sizes = handlesOfMarker(area, camera()).filter(({ does }) => does === "size");
        for (const handle of sizes) {
          assert.equal(sizedFeet(area, handle, GRID.cell), 20);
          const inside = { x: area.x + (handle.x - area.x) * 0.97, y: area.y + (handle.y - area.y) * 0.97 };
          assert.ok(inPolygon(outlineOf(area), inside), `${shape} ${rotation}`);
          const twice = { x: area.x + (handle.x - area.x) * 2, y: area.y + (handle.y - area.y) * 2 };
          assert.equal(sizedFeet(area, twice, GRID.cell), 40);
        }
        assert.equal(sizedFeet(area, area, GRID.cell), 5);
      }
      const turns = handlesOfMarker(marker(shape), camera()).some(({ does }) => does === "turn");
      assert.equal(turns, shape !== "circle" && shape !== "cylinder");
    });
  }

  test("a frame keeps its form", () => {
    const rect = { x: 100, y: 100, width: 160, height: 90 };
    assert.equal(handlesOfFrame(rect).length, 4);
    const larger = sizedFrame(rect, 2, { x: 420, y: 280 }, 50);
    nearPoint(larger, rect);
    near(larger.width / larger.height, 16 / 9);
    near(larger.width, 320);
    assert.equal(sizedFrame(rect, 0, { x: 259, y: 189 }, 50).width, 100);
  });

  test("what a screen shows is its view, as broad as the screen, or else everything", () => {
    const scene = { extent: { x: 0, y: 0, width: 1600, height: 900 }, cell: 50 };
    const tv = { width: 1920, height: 1080 };
    nearRect(rectOn(tv, {}, scene), scene.extent);
    nearRect(rectOn(tv, { view: { x: 100, y: 100, width: 320, height: 180 } }, scene), { x: 100, y: 100, width: 320, height: 180 });
    nearRect(rectOn(tv, { view: { x: 100, y: 100, width: 100, height: 180 } }, scene), { x: -10, y: 100, width: 320, height: 180 });
    const upright = rectOn(tv, { rotation: 90 }, scene);
    near(upright.width / upright.height, 1080 / 1920);
    near(rectOn(undefined, {}, scene).width, 1600);
  });

  test("areas keep to the grid", () => {
    assert.deepEqual(areaPlace({ x: 61, y: 90 }, marker("circle"), GRID), { x: 50, y: 100 });
    assert.deepEqual(areaPlace({ x: 61, y: 90 }, marker("square", { sizeInFeet: 15 }), GRID), { x: 75, y: 75 });
    assert.deepEqual(areaPlace({ x: 61, y: 90 }, marker("cube", { sizeInFeet: 10 }), GRID), { x: 50, y: 100 });
  });

  test("a pose is written as the scene has it, and read again", () => {
    const map = { kind: "map", key: "map:0 hall.png", id: "hall.png", thing: homeOf(SCENE, { kind: "map", key: "map:0 hall.png", id: "hall.png" }) };
    const turned = applyEdits(SCENE, poseEdits(SCENE, map, { x: 400, y: 200, scale: 2, rotation: 90 }));
    assert.deepEqual(turned.maps[0].data, { ...SCENE.maps[0].data, position: { x: 8, y: 4 }, scale: 2, rotation: 90 });
    const area = { kind: "marker", key: "marker:m1", id: "m1", thing: homeOf(SCENE, { kind: "marker", key: "marker:m1", id: "m1" }) };
    const larger = applyEdits(SCENE, poseEdits(SCENE, area, { feet: 25 }));
    assert.deepEqual(larger.aoeMarkers[0], { ...SCENE.aoeMarkers[0], sizeInFeet: 25 });
    assert.deepEqual(homeOf(larger, area).length, 250);
    assert.equal(homeOf({ ...SCENE, aoeMarkers: [] }, area), null);
  });
});

function nearRect(a, b) {
  for (const side of ["x", "y", "width", "height"]) near(a[side], b[side], 1e-6);
}

suite("keys", () => {
  const key = (key, held = {}) => nameOfKey({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

  test("are told apart by what is held, but for what a keyboard writes", () => {
    assert.deepEqual([key("v"), key("V", { shiftKey: true }), key("ArrowLeft", { shiftKey: true })], ["V", "Shift+V", "Shift+ArrowLeft"]);
    assert.deepEqual([key("z", { ctrlKey: true }), key("z", { metaKey: true, shiftKey: true })], ["Mod+Z", "Mod+Shift+Z"]);
    assert.deepEqual([key("?", { shiftKey: true }), key("{", { shiftKey: true }), key("+", { altKey: true })], ["?", "{", "Alt++"]);
    // A German keyboard has its brackets on the third level.
    assert.equal(key("[", { ctrlKey: true, altKey: true, getModifierState: (name) => name === "AltGraph" }), "[");
  });

  test("every key does one thing, and the sheet has words for it", () => {
    const all = SHORTCUTS.flatMap(({ keys }) => Object.keys(keys));
    assert.equal(new Set(all).size, all.length);
    for (const { words, shown, group } of SHORTCUTS) assert.ok(words && shown.length > 0 && group);
  });
});

suite("the order", () => {
  const order = (...entries) => ({ initiativeOrder: entries.map(([id, initiative]) => ({ id, name: id, initiative })) });
  const after = (scene, edits) => (edits.length === 0 ? scene : applyEdits(scene, edits)).initiativeOrder.map(({ id }) => id).join("");

  test("is sorted by initiative; who has the same stays, who has none goes last", () => {
    const scene = order(["a", 3], ["b", 15], ["c", undefined], ["d", 15], ["e", "20"], ["f", 3]);
    assert.equal(after(scene, sortEntries(scene)), "ebdafc");
    const sorted = applyEdits(scene, sortEntries(scene));
    assert.deepEqual(sortEntries(sorted), []);
    // Several with one name are told apart by no edit: then the list is written.
    const twins = order(["a", 1], ["a", 2]);
    assert.deepEqual(sortEntries(twins).map(({ op }) => op), ["set"]);
  });

  test("an entry goes before another, to the end, and by one", () => {
    const scene = order(["a", 3], ["b", 2], ["c", 1]);
    assert.equal(after(scene, moveEntry(scene, "c", "a")), "cab");
    assert.equal(after(scene, moveEntry(scene, "a", null)), "bca");
    assert.equal(after(scene, stepEntry(scene, "b", -1)), "bac");
    assert.equal(after(scene, stepEntry(scene, "b", 1)), "acb");
    assert.equal(after(scene, stepEntry(scene, "a", 1)), "bac");
    for (const edits of [moveEntry(scene, "a", "b"), moveEntry(scene, "a", "a"), moveEntry(scene, "c", null), stepEntry(scene, "a", -1), stepEntry(scene, "c", 1), moveEntry(scene, "x", "a")]) assert.deepEqual(edits, []);
  });
});

/** The console with the scene on it, and what it and the others see. */
async function openTable(t, scene = SCENE) {
  const table = await startTable(t);
  await table.gm.show(scene);
  const console = await openConsole(table.gm);
  await console.until(() => document.querySelector("table-stage").isComplete);
  const chosen = () => console.page.$eval(".chosen-bar", (bar) => (bar.hidden ? null : bar.querySelector("strong").textContent));
  const keys = async (...names) => {
    await console.page.focus("table-stage");
    for (const name of names) await console.page.keyboard.press(name);
  };
  /** Clicks a point of the scene until this is chosen: a click that takes a busy browser half a second is a long press. */
  const choose = async (name, x, y) => {
    const at = await console.placeOf(x, y);
    for (let i = 0; i < 20 && !(await chosen())?.includes(name); i++) await console.page.mouse.click(at.x, at.y);
    assert.match(await chosen(), new RegExp(name));
  };
  /** Where a handle of what is chosen is, in the scene's units. */
  const handle = (does, nth = 0) => console.page.evaluate(async (does, nth) => {
    const { handlesOfMap, handlesOfMarker, handlesOfFrame } = await import("/ui/stage/handles.js");
    const stage = document.querySelector("table-stage");
    const { chosen } = document.querySelector("chosen-bar").table;
    const thing = document.querySelector("chosen-bar").table.thing;
    const all = chosen.kind === "map" ? handlesOfMap(thing.box, stage.camera) : chosen.kind === "marker" ? handlesOfMarker(thing, stage.camera) : handlesOfFrame(chosen.thing.rect);
    const one = all.find((handle) => handle.does === does && handle.nth === nth);
    return [one.x, one.y];
  }, does, nth);
  const field = async (label, value) => {
    const input = await console.page.evaluateHandle((label) => [...document.querySelectorAll(".chosen-bar label")].find((one) => one.textContent === label).querySelector("input"), label);
    await input.evaluate((input, value) => {
      input.value = value;
      input.dispatchEvent(new Event("change"));
    }, value);
  };
  return { ...table, console, chosen, choose, keys, handle, field };
}

const OPEN = { ...SCENE, initiativeOrder: [], aoeMarkers: [], fogOfWar: [] };

test("a map is scaled by its corner and turned by its handle: seen by others at once, kept on release, one undo each", async (t) => {
  const { server, browser, gm, console, choose, keys, handle } = await openTable(t, OPEN);
  const screen = await openScreen(browser, server, gm);
  await screen.shows([400, 450, red], [1200, 450, blue]);
  await keys("-", "-");
  await console.press("Lock secret-lair.png");
  await gm.until(() => live.state.scene.maps[1].data.isLocked);
  await choose("hall.png", 800, 450);
  // Half as large, with its upper left corner where it was.
  await console.drag(await handle("size", 2), [800, 450], async () => {
    await gm.until(() => hints.some(({ kind, key, data }) => kind === "drag" && key === "hall.png" && Math.abs(data?.scale - 0.5) < 0.01));
    assert.equal(await gm.act(() => live.state.scene.maps[0].data.scale), 1);
    await screen.shows([200, 200, red], [600, 200, blue], [1200, 800, [10, 10, 10]]);
  });
  await gm.until(() => Math.abs(live.state.scene.maps[0].data.scale - 0.5) < 0.01);
  const { position } = await gm.act(() => live.state.scene.maps[0].data);
  near(position.x, 8, 0.1);
  near(position.y, 4.5, 0.1);
  await gm.until(() => hints.at(-1).data === null);
  await screen.shows([200, 200, red], [600, 200, blue], [1200, 800, [10, 10, 10]]);
  // Round by a quarter, exactly, with Shift.
  const from = await handle("turn");
  await console.page.keyboard.down("Shift");
  await console.drag(from, [640, 240], () => gm.until(() => hints.at(-1)?.data?.rotation === 90));
  await console.page.keyboard.up("Shift");
  await gm.until(() => live.state.scene.maps[0].data.rotation === 90);
  await screen.shows([400, 60, red], [400, 390, blue]);
  await console.press("Undo: Turned hall.png");
  await gm.until(() => live.state.scene.maps[0].data.rotation === 0);
  await console.press("Undo: Scaled hall.png");
  await gm.until(() => live.state.scene.maps[0].data.scale === 1 && live.state.scene.maps[0].data.position.x === 16);
  assert.deepEqual(console.problems, []);
});

test("dragging a map that is not chosen moves the view; a click chooses it, and then it is moved", async (t) => {
  const { gm, console, chosen, choose } = await openTable(t, OPEN);
  await console.press("Lock secret-lair.png");
  await gm.until(() => live.state.scene.maps[1].data.isLocked);
  const looks = () => console.page.$eval("table-stage", ({ camera: { x, y } }) => ({ x, y }));
  const at = () => gm.act(() => live.state.scene.maps[0].data.position);
  const [before, place] = [await looks(), await at()];
  await console.drag([800, 450], [900, 500]);
  nearPoint(await looks(), { x: before.x - 100, y: before.y - 50 }, 3);
  assert.equal(await chosen(), null);
  await console.drag([800, 450], [900, 500]);
  nearPoint(await looks(), { x: before.x - 200, y: before.y - 100 }, 6);
  assert.deepEqual(await at(), place, "the map has stayed");
  await choose("hall.png", 800, 450);
  const now = await looks();
  await console.drag([800, 450], [850, 450]);
  await gm.until((x) => live.state.scene.maps[0].data.position.x === x, place.x + 1);
  assert.deepEqual(await looks(), now, "the view has stayed");
  assert.deepEqual(console.problems, []);
});

test("what is chosen is moved, sized, turned, hidden and removed by keyboard; letters that are typed do nothing of that", async (t) => {
  const { gm, console, keys, chosen } = await openTable(t);
  await keys("n");
  assert.equal(await chosen(), "the circle");
  const area = () => gm.act(() => live.state.scene.aoeMarkers.find(({ id }) => id === "m1"));
  await keys("+", "]");
  await gm.until(() => live.state.scene.aoeMarkers[0].sizeInFeet === 15 && live.state.scene.aoeMarkers[0].rotation === 15);
  await keys("-", "[", "h", "ArrowRight");
  await gm.until(() => live.state.scene.aoeMarkers[0].sizeInFeet === 10 && live.state.scene.aoeMarkers[0].rotation === 0 && live.state.scene.aoeMarkers[0].position.x === 5);
  assert.equal((await area()).revealed, false);
  // In a field of text, letters are letters.
  await console.page.focus(".chosen-bar .words");
  await console.page.keyboard.type("nhvf?+[");
  await console.page.keyboard.press("Tab");
  await gm.until(() => live.state.scene.aoeMarkers[0].label === "nhvf?+[");
  assert.equal((await area()).revealed, false);
  assert.equal(await console.page.$("dialog[open]"), null);
  assert.equal(await console.page.$eval('[data-tool="move"]', (button) => button.getAttribute("aria-pressed")), "true");
  await keys("Delete");
  await gm.until(() => live.state.scene.aoeMarkers.length === 1);
  // Tokens have footprints; maps a scale.
  await keys("n", "n");
  assert.equal(await chosen(), "Brenna");
  await keys("+");
  await gm.until(() => live.state.scene.initiativeOrder[0].tokenFootprint === 2);
  await keys("n", "n", "n");
  assert.equal(await chosen(), "hall.png");
  await keys("+", ".");
  await gm.until(() => live.state.scene.maps[0].data.scale === 1.1 && live.state.scene.maps[0].data.rotation === 15);
  // With nothing chosen, the same keys move the view.
  const zoom = await console.page.$eval("table-stage", (stage) => stage.camera.zoom);
  await keys("Escape", "+");
  await console.until((zoom) => document.querySelector("table-stage").camera.zoom > zoom, zoom);
  assert.equal(await gm.act(() => live.state.scene.maps[0].data.scale), 1.1);
  // One sheet has them all.
  await keys("?");
  await console.until(() => document.querySelector("dialog[open] .key-row"));
  const words = await console.page.$eval("dialog[open]", (dialog) => dialog.innerText);
  for (const shortcut of SHORTCUTS) assert.ok(words.includes(shortcut.words), shortcut.words);
  assert.deepEqual(await faultsOf(console.page), []);
  await console.page.keyboard.press("Escape");
  await console.until(() => !document.querySelector("dialog[open]"));
  assert.deepEqual(console.problems, []);
});

test("areas of all shapes are moved, sized and turned by hand, coloured, named and shown to players when it is time", async (t) => {
  const shapes = SHAPES.map((shape, i) => ({ id: shape, shape, sizeInFeet: 20, color: "#00ff00", position: { x: 5 + (i % 3) * 10, y: 6 + Math.floor(i / 3) * 8 }, useGridCoordinates: true, rotation: 0, opacity: 1, label: "", revealed: false }));
  const { server, browser, gm, console, handle, field } = await openTable(t, { ...OPEN, aoeMarkers: shapes });
  const screen = await openScreen(browser, server, gm);
  await screen.shows([150, 300, red]);
  const of = (id) => gm.act((id) => live.state.scene.aoeMarkers.find((one) => one.id === id), id);
  for (const [i, shape] of SHAPES.entries()) {
    const { x, y } = shapes[i].position;
    const inside = shape === "cone" || shape === "line" ? 50 : 0;
    await console.drag([x * 50 + inside, y * 50], [x * 50 + inside + 50, y * 50 + 50]);
    await gm.until((shape, x) => live.state.scene.aoeMarkers.find((one) => one.id === shape).position.x === x + 1, shape, x);
    const [hx, hy] = await handle("size", shape === "square" || shape === "cube" ? 2 : 0);
    const by = shape === "square" || shape === "cube" ? 25 : 50;
    await console.drag([hx, hy], [hx + by, hy + (by === 25 ? 25 : 0)]);
    await gm.until((shape) => live.state.scene.aoeMarkers.find((one) => one.id === shape).sizeInFeet === 25, shape);
    if (shape !== "circle" && shape !== "cylinder") {
      const [tx, ty] = await handle("turn");
      const middle = { x: (x + 1) * 50, y: (y + 1) * 50 };
      // A quarter round to the right.
      await console.drag([tx, ty], [middle.x - (ty - middle.y), middle.y + (tx - middle.x)]);
      await gm.until((shape) => live.state.scene.aoeMarkers.find((one) => one.id === shape).rotation === 90, shape);
    }
  }
  assert.ok(await gm.act(() => hints.some(({ key, data }) => key === "circle" && data?.feet === 25)), "others see it grow");
  await field("Label", "Web");
  await field("Colour", "#ffffff");
  await field("Feet", "40");
  await gm.until(() => {
    const { label, color, sizeInFeet } = live.state.scene.aoeMarkers.find((one) => one.id === "cylinder");
    return label === "Web" && color === "#ffffff" && sizeInFeet === 40;
  });
  // Players do not know of it until it is revealed.
  await screen.shows([1300, 750, blue]);
  await console.press("Reveal", ".chosen-bar");
  await screen.shows([1300, 750, [255, 255, 255]]);
  await field("Opacity", "0.5");
  await gm.until(() => live.state.scene.aoeMarkers.find((one) => one.id === "cylinder").opacity === 0.5);
  await console.press("Remove", ".chosen-bar");
  await screen.shows([1300, 750, blue]);
  assert.equal((await of("cone")).revealed, false);
  assert.deepEqual(console.problems, []);
});

test("the frame of a screen is dragged, sized and let go on the GM's table, and the screen follows", async (t) => {
  const { server, browser, gm, console, keys, chosen, handle } = await openTable(t, OPEN);
  const screen = await openScreen(browser, server, gm);
  await screen.shows([400, 450, red], [1200, 450, blue]);
  await keys("-");
  const { id } = await gm.member("Screen");
  await gm.act((id) => live.display({ target: id, action: "name", name: "Wall" }), id);
  await console.until((id) => document.querySelector("chosen-bar").frames.hit(id)?.thing.name === "Wall", id);
  await console.page.click("#side-people-tab");
  await console.press("Frame: Wall");
  assert.equal(await chosen(), "Wall");
  // Half as large, from the lower right corner; by then the screen shows it.
  await console.drag(await handle("size", 2), [800, 450], () => screen.shows([400, 450, red], [1200, 450, red]));
  await gm.until((id) => Math.abs(live.state.displays[id].view?.width - 800) < 4, id);
  // Its name is what it is held by.
  const at = await console.page.evaluate(() => {
    const table = document.querySelector("chosen-bar").table;
    const corner = table.stage.camera.toScreen({ x: 0, y: 0 });
    return table.stage.camera.toScene({ x: corner.x + 20, y: corner.y + 16 });
  }, id);
  await console.drag([at.x, at.y], [at.x + 800, at.y + 200]);
  await screen.shows([20, 450, blue], [1500, 450, blue]);
  await gm.until((id) => Math.abs(live.state.displays[id].view.x - 800) < 8, id);
  // By keyboard: to the left by a cell, larger, and back to everything.
  const before = await gm.act((id) => live.state.displays[id].view, id);
  await keys("ArrowLeft");
  await gm.until((id, x) => Math.abs(live.state.displays[id].view.x - (x - 50)) < 0.1, id, before.x);
  await keys("+");
  await gm.until((id, width) => live.state.displays[id].view.width > width * 1.05, id, before.width);
  await keys("Delete");
  await gm.until((id) => !live.state.displays[id].view, id);
  await screen.shows([20, 450, red], [1500, 450, blue]);
  // Who does not want to see frames hides them.
  await keys("s");
  assert.equal(await chosen(), null);
  assert.deepEqual(console.problems, []);
});

test("the grid's settings are all at hand, and the table follows", async (t) => {
  const { gm, console, keys } = await openTable(t);
  await keys("g");
  const set = (label, value) => console.page.evaluate((label, value) => {
    const field = [...document.querySelectorAll("grid-panel label")].find((one) => one.querySelector("span").textContent === label).querySelector("input, select");
    if (field.type === "checkbox") field.click();
    else {
      field.value = value;
      field.dispatchEvent(new Event("change"));
    }
  }, label, value);
  const settings = () => gm.act(() => live.state.scene.gridSettings);
  const becomes = (key, value) => gm.until((key, value) => live.state.scene.gridSettings[key] === value, key, value);
  for (const [label, key, value] of [
    ["Show the grid", "showGrid", true], ["Colour", "gridColor", "#00ff00"], ["Opacity", "gridOpacity", 0.5], ["Columns", "gridCellsX", 40], ["Rows", "gridCellsY", 20],
    ["A fixed number of cells", "useFixedGrid", false], ["Cell, pixels", "gridSize", 60], ["Tokens stand on whole cells", "tokenSnapToGrid", false],
    ["Areas keep to the grid", "aoeSnapToGrid", false], ["Areas keep to the grid", "aoeSnapToGrid", true], ["New areas are hidden at first", "aoeStagedReveal", true], ["All maps stay where they are", "mapsLocked", true],
    ["New tokens", "defaultTokenFootprint", 2], ["Players see where tokens went", "showMovementTrailToPlayers", false], ["Effects of areas", "aoeEffectTheme", "realistic"], ["Token, pixels", "defaultTokenSize", 70],
  ]) {
    await set(label, String(value));
    await becomes(key, value);
  }
  assert.equal(await console.page.$eval("table-stage", (stage) => stage.grid.cell), 60);
  assert.deepEqual(await faultsOf(console.page), []);
  await console.page.focus("grid-panel input");
  await console.page.keyboard.press("Escape");
  await console.until(() => document.querySelector("grid-panel").hidden);
  // A new area snaps, and is hidden.
  await keys("a");
  await console.drag([955, 535], [956, 535]);
  await gm.until(() => live.state.scene.aoeMarkers.length === 3);
  const area = await gm.act(() => live.state.scene.aoeMarkers[2]);
  assert.deepEqual([area.position, area.revealed], [{ x: 16, y: 9 }, false]);
  assert.equal((await settings()).useFixedGrid, false);
  assert.deepEqual(console.problems, []);
});

test("distances are counted as the GM chooses, and others see what is measured, pointed at and pinged", async (t) => {
  const { gm, console, keys } = await openTable(t, OPEN);
  await keys("m");
  const rule = '[aria-label="How distances are counted"]';
  for (const [value, mode, diagonals] of [["alternating", "dnd", "alternating"], ["tenFeet", "dnd", "tenFeet"], ["euclidean", "euclidean", null], ["fiveFeet", "dnd", "fiveFeet"]]) {
    await console.page.select(`.tool-options ${rule}`, value);
    await gm.until((mode, diagonals) => live.state.scene.gridSettings.distanceMode === mode && (diagonals === null || live.state.scene.gridSettings.dndDiagonalRule === diagonals), mode, diagonals);
  }
  await console.drag([200, 200], [400, 300], () => gm.until(() => hints.some(({ kind, data }) => kind === "measure" && data?.points.length === 2)));
  await gm.until(() => hints.at(-1).kind === "measure" && hints.at(-1).data === null);
  await keys("p");
  const at = await console.placeOf(500, 500);
  await console.page.mouse.move(at.x - 20, at.y);
  await console.page.mouse.move(at.x, at.y, { steps: 4 });
  await gm.until(() => hints.some(({ kind, data }) => kind === "pointer" && data !== null));
  await console.page.mouse.click(at.x, at.y);
  await gm.until(() => hints.some(({ kind, data }) => kind === "ping" && Math.abs(data.x - 500) < 2));
  await keys("v", "n");
  await console.page.keyboard.down("Shift");
  await console.page.keyboard.press("P");
  await console.page.keyboard.up("Shift");
  await gm.until(() => hints.filter(({ kind }) => kind === "ping").length === 2);
  assert.deepEqual(console.problems, []);
});

test("the order of turns is dragged, moved by keyboard, and sorted again; who is down stands up, and goes", async (t) => {
  const { gm, console } = await openTable(t);
  await console.page.click("#side-turns-tab");
  await console.page.waitForSelector("turns-panel .turn");
  const becomes = (...names) => gm.until((names) => live.state.scene.initiativeOrder.map(({ name }) => name).join() === names, names.join());
  const row = async (name) => {
    const handle = await console.page.evaluateHandle((name) => [...document.querySelectorAll("turns-panel .turn")].find((one) => one.querySelector("strong").textContent === name), name);
    await console.until((row) => row.getAttribute("draggable") === "true", handle);
    return handle.asElement().boundingBox();
  };
  const [from, to] = [await row("Lurker"), await row("Brenna")];
  await console.page.mouse.move(from.x + 60, from.y + 20);
  await console.page.mouse.down();
  await console.page.mouse.move(to.x + 60, to.y + 30, { steps: 5 });
  await console.page.mouse.move(to.x + 60, to.y + 8, { steps: 3 });
  await console.until(() => document.querySelector('[data-drop="before"] strong')?.textContent === "Brenna");
  await console.page.mouse.up();
  await becomes("Lurker", "Brenna", "Gnoll");
  assert.equal(await console.page.$("[data-drop]"), null);
  // By keyboard, twice: what is moved stays in hand.
  await console.page.focus('[aria-label="Move Lurker down in the order"]');
  await console.page.keyboard.press("Enter");
  await becomes("Brenna", "Lurker", "Gnoll");
  await console.page.keyboard.press("Enter");
  await becomes("Brenna", "Gnoll", "Lurker");
  await console.page.focus('[aria-label="Move Gnoll up in the order"]');
  await console.page.keyboard.press("Enter");
  await becomes("Gnoll", "Brenna", "Lurker");
  await console.press("Sort by initiative");
  await becomes("Brenna", "Gnoll", "Lurker");
  await console.press("Undo: Sorted by initiative");
  await becomes("Gnoll", "Brenna", "Lurker");
  const entry = (test) => gm.until(`live.state.scene.initiativeOrder.find(({ name }) => name === "Gnoll")${test}`);
  await console.press("Gnoll is down");
  await entry(".isKilled === true");
  await console.press("Next turn");
  await gm.until(() => live.state.scene.initiativeOrder[2].isCurrentTurn && !live.state.scene.initiativeOrder[1].isCurrentTurn);
  await console.press("Next turn");
  // Who is down is passed over.
  await gm.until(() => live.state.scene.initiativeOrder[1].isCurrentTurn);
  await console.press("Revive Gnoll");
  await entry(".isKilled === false");
  await console.page.click(".turn-more input");
  await gm.until(() => live.state.scene.showCurrentPlayer === false);
  await console.press("Remove Gnoll from the order");
  await becomes("Brenna", "Lurker");
  assert.deepEqual(await faultsOf(console.page), []);
  assert.deepEqual(console.problems, []);
});
