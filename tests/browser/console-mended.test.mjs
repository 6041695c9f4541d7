// The console where others come in between: while something is typed, and after a sign-in has run out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConsole } from "./consoles.mjs";
import { PASSWORD, SCENE, startTable } from "./tables.mjs";

test("a window whose sign-in has run out says so, saves nothing, and is the GM's again after another one", async (t) => {
  const { server, gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  await console.page.click("#side-scenes-tab");
  await console.page.waitForSelector("scenes-panel");
  // The page keeps what it tells: it is told just before the table goes.
  await console.page.evaluate(() => {
    globalThis.said = [];
    addEventListener("say", ({ detail }) => said.push(detail.text));
    globalThis.desk = document.querySelector("scenes-panel").desk;
    globalThis.table = document.querySelector("scenes-panel").table;
  });
  const cookies = await console.page.createCDPSession();
  await cookies.send("Network.clearBrowserCookies");
  await server.restart("SIGTERM");
  await console.until(() => said.includes("You are not signed in as the GM any more."));
  assert.equal(await console.page.evaluate(() => desk.saveAs("Half of it", "").catch(({ message }) => message)), "You are not signed in as the GM any more.");
  await console.until(() => document.querySelector("gm-console") === null);
  await console.press("Sign in as the GM", "body");
  await console.page.waitForSelector("dialog[open] input");
  await console.page.type("dialog[open] input", PASSWORD);
  await Promise.all([console.page.waitForNavigation(), console.page.keyboard.press("Enter")]);
  await console.until(() => document.querySelector(".console-state")?.textContent === "Live");
  await console.until(() => document.querySelector("table-stage").scene?.gm_notes === "the floor is a mimic");
});

test("a connection that breaks moves nothing under the hand that drags", async (t) => {
  const { server, gm } = await startTable(t);
  await gm.show(SCENE);
  const { page, until } = await openConsole(gm);
  await page.evaluate(() => {
    globalThis.heights = [];
    new ResizeObserver(([{ contentRect }]) => heights.push(contentRect.height)).observe(document.querySelector("table-stage"));
  });
  // A narrow window's bar has two lines, and they must stay two.
  for (const width of [1400, 1100]) {
    await page.setViewport({ width, height: 900 });
    await until((width) => Math.abs(document.querySelector("gm-console").getBoundingClientRect().width - width) < 1 && heights.length > 0, width);
    const [before] = await page.evaluate(() => heights.splice(0).slice(-1));
    await server.restart("SIGTERM", () => until(() => document.querySelector(".stage-notice").textContent.includes("The connection is lost")));
    await until(() => document.querySelector(".console-state").textContent === "Live" && document.querySelector(".stage-notice").textContent === "");
    assert.deepEqual(await page.evaluate(() => heights.splice(0)), [], `${before} before`);
  }
});

test("what is typed outlasts what others do, the grid's drawer stays open, and a locked map keeps its size", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  const { page, until } = console;
  const field = async (selector, text) => {
    await page.waitForSelector(selector);
    await page.focus(selector);
    await page.$eval(selector, (input) => input.select());
    await page.keyboard.type(text);
  };

  // Hit points, while somebody's phone comes and another GM renames the monster.
  await page.click("#side-turns-tab");
  const points = '[data-entry="i2"] .points';
  await field(points, "7");
  await gm.act(async () => {
    const { Live } = await import("/ui/live.js");
    globalThis.phone = new Live({ name: "Cleo", role: "player", storage: null });
    phone.connect();
  });
  await gm.change({ op: "set", path: ["initiativeOrder", { id: "i2" }, "name"], value: "Gnoll chief" });
  await until(() => document.querySelector('[data-entry="i1"] select')?.textContent.includes("Cleo"));
  assert.deepEqual(await page.$eval(points, (input) => [input.value, input === document.activeElement]), ["7", true]);
  await page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder[1].hp === 7);
  await until(() => document.querySelector('[data-entry="i2"]').closest(".turn").textContent.includes("Gnoll chief"));
  // Left as it was, it shows what there is.
  await field(points, "70");
  await gm.change({ op: "set", path: ["initiativeOrder", { id: "i2" }, "hp"], value: 4 });
  await until(() => document.querySelector("table-stage").scene.initiativeOrder[1].hp === 4);
  await page.keyboard.press("Backspace");
  assert.equal(await page.$eval(points, ({ value }) => value), "7");
  await page.focus(".turn-steps button");
  await until(() => document.querySelector('[data-entry="i2"] .points').value === "4");

  // The sizes of a map are the hand's.
  await page.click("#side-maps-tab");
  await page.$$eval(".map-name", (all) => all.find((one) => one.textContent.includes("hall.png")).click());
  const size = '[aria-label="Size of hall.png, %"]';
  const mapIs = (key, value) => gm.until((key, value) => live.state.scene.maps[0].data[key] === value, key, value);
  await field(size, "9000");
  await page.keyboard.press("Enter");
  await mapIs("scale", 20);
  await until((size) => document.querySelector(size).value === "2000", size);
  await field('[aria-label="Turned of hall.png, degrees"]', "-90");
  await page.keyboard.press("Enter");
  await mapIs("rotation", 270);
  await console.press("Turn 90°");
  await mapIs("rotation", 0);
  await console.press("Lock hall.png");
  await mapIs("isLocked", true);
  await until((size) => document.querySelector(size), size);
  await field(size, "50");
  await page.keyboard.press("Enter");
  await until(() => document.querySelector("status-line").textContent.includes("hall.png is locked."));
  assert.equal(await page.$eval(size, ({ value }) => value), "2000");
  assert.equal(await gm.act(() => live.state.scene.maps[0].data.scale), 20);

  // The grid, with what SpellTable means where a scene says nothing.
  await console.press("Grid");
  const grid = (words, property) => page.$$eval("grid-panel label", (all, words, property) => all.find((label) => label.querySelector("span")?.textContent === words).querySelector("input, select")[property], words, property);
  assert.deepEqual([await grid("Areas keep to the grid", "checked"), await grid("Effects of areas", "value"), await grid("Distances", "value")], [true, "pixel", "tenFeet"]);
  await page.click("grid-panel summary");
  await page.focus("grid-panel details input");
  await page.keyboard.press("Space");
  await gm.until(() => live.state.scene.gridSettings.showMovementTrailToPlayers === false);
  assert.deepEqual(await page.$eval("grid-panel details", (details) => [details.open, details.contains(document.activeElement)]), [true, true]);
  assert.deepEqual(console.problems, []);
});
