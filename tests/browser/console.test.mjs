// The GM's console: what is done there is seen on screens and by other members.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConsole, openScreen } from "./consoles.mjs";
import { COLORS, SCENE, faultsOf, numberOf, openGuest, startTable, weigh, wear } from "./tables.mjs";

const { red, blue, black } = COLORS;

test("a map dragged from the library lies on the table and on the screen in the room", async (t) => {
  const { server, browser, gm } = await startTable(t);
  const screen = await openScreen(browser, server, gm);
  await screen.says(".display-card", "Waiting for the GM");
  // A line of the grid must not lie where colours are looked at.
  await gm.change({ op: "set", path: ["gridSettings", "showGrid"], value: false });
  const console = await openConsole(gm);
  const card = await console.page.waitForSelector('[aria-label="Put hall.png on the table"]');
  const from = await card.boundingBox();
  const to = await console.placeOf(800, 450);
  await console.page.mouse.move(from.x + 20, from.y + 20);
  await console.page.mouse.down();
  await console.page.mouse.move(to.x - 30, to.y, { steps: 5 });
  await console.page.mouse.move(to.x, to.y, { steps: 3 });
  await console.page.mouse.up();
  await gm.until(() => live.state.scene.maps.length === 1);
  await screen.shows([400, 450, red], [1200, 450, blue]);
  const map = await gm.act(() => live.state.scene.maps[0]);
  assert.equal(map.name, "hall.png");
  assert.ok(map.data.useGridCoordinates, "as SpellTable places maps");
  // Hidden for all but the GM, shown again, and taken off.
  await console.press("Hide hall.png");
  await screen.until(() => document.querySelector("table-stage").maps.length === 0);
  await console.press("Show hall.png to all");
  await screen.shows([400, 450, red]);
  await console.press("Take hall.png off the table");
  await screen.says(".display-card", "Waiting for the GM");
  await console.press("Undo: Took hall.png off");
  await screen.shows([400, 450, red]);
  assert.deepEqual(console.problems, []);
});

test("a token that is dragged is seen to move by others; undo and redo take it back and forth", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  await console.until(() => document.querySelector("table-stage").tokens.length === 3);
  await console.press("Lock hall.png");
  await console.press("Grid");
  await console.page.click(".grid-fields .check input");
  await gm.until(() => live.state.scene.gridSettings.showGrid === true);
  await console.press("Undo: Changed the grid");
  await gm.until(() => live.state.scene.gridSettings.showGrid === false);
  const at = () => gm.act(() => live.state.scene.initiativeOrder[0].mapPosition.x);
  await console.drag([425, 425], [625, 425]);
  await gm.until(() => live.state.scene.initiativeOrder[0].mapPosition.x === 12.5);
  assert.ok(await gm.act(() => hints.some(({ kind, key }) => kind === "drag" && key === "i1")), "the way there is shown");
  await console.page.focus("table-stage");
  await console.page.keyboard.press("ArrowRight");
  await gm.until(() => live.state.scene.initiativeOrder[0].mapPosition.x === 13.5);
  await console.page.keyboard.down("Control");
  await console.page.keyboard.press("z");
  await gm.until(() => live.state.scene.initiativeOrder[0].mapPosition.x === 12.5);
  await console.page.keyboard.press("z");
  await gm.until(() => live.state.scene.initiativeOrder[0].mapPosition.x === 8.5);
  await console.page.keyboard.down("Shift");
  await console.page.keyboard.press("z");
  await gm.until(() => live.state.scene.initiativeOrder[0].mapPosition.x === 12.5);
  await console.page.keyboard.up("Shift");
  // What somebody else has done since is not undone.
  await gm.change({ op: "set", path: ["initiativeOrder", { id: "i1" }, "mapPosition"], value: { x: 2.5, y: 2.5, useGridCoordinates: true } });
  await console.until(() => document.querySelector("table-stage").scene.initiativeOrder[0].mapPosition.x === 2.5);
  await console.page.keyboard.press("z");
  await console.until(() => document.querySelector("status-line").textContent.includes("changed by somebody else"));
  assert.equal(await at(), 2.5);
  await console.page.keyboard.up("Control");
  assert.deepEqual(console.problems, []);
});

test("fog covers and is taken away on the screen in the room", async (t) => {
  const { server, browser, gm } = await startTable(t);
  await gm.show({ ...SCENE, fogOfWar: [], initiativeOrder: [], aoeMarkers: [] });
  const screen = await openScreen(browser, server, gm);
  const console = await openConsole(gm);
  await screen.shows([400, 450, red], [1200, 450, blue]);
  await console.press("Fog");
  await console.press("Cover all");
  await screen.shows([400, 450, black], [1200, 450, black]);
  await console.page.select('[aria-label="What it does"]', "reveal");
  await console.drag([200, 200], [600, 700]);
  await screen.shows([400, 450, red], [1200, 450, black]);
  await console.page.select('[aria-label="Form"]', "brush");
  await console.drag([1100, 450], [1300, 450]);
  await screen.shows([1200, 450, blue], [1200, 800, black]);
  await console.press("Clear all fog");
  await (await console.page.waitForSelector("dialog[open] .danger")).click();
  await screen.shows([1200, 800, blue]);
  assert.deepEqual(console.problems, []);
});

test("turns: many are added with dice, go round, lose hit points, and are placed", async (t) => {
  const { gm } = await startTable(t);
  await gm.show({ ...SCENE, initiativeOrder: [] });
  const console = await openConsole(gm);
  await console.press("Turns");
  await console.page.waitForSelector(".entry-form");
  const type = async (label, text) => {
    const input = await console.page.evaluateHandle((label) => [...document.querySelectorAll(".entry-form label")].find((one) => one.textContent === label).querySelector("input"), label);
    await input.click({ count: 3 });
    await console.page.keyboard.type(text);
  };
  await type("Name", "Gnoll");
  await type("Initiative or dice", "1d20+40");
  await type("Hit points", "7");
  await type("How many", "2");
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder.length === 2);
  await type("Name", "Brenna");
  await type("Initiative or dice", "21");
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder.length === 3);
  const order = await gm.act(() => live.state.scene.initiativeOrder);
  assert.equal(order[2].name, "Brenna");
  assert.ok(order[0].initiative >= order[1].initiative && order[1].initiative > 40);
  await console.press("Next turn");
  await gm.until(() => live.state.scene.initiativeOrder[0].isCurrentTurn);
  await console.press("Next turn");
  await gm.until(() => live.state.scene.initiativeOrder[1].isCurrentTurn && !live.state.scene.initiativeOrder[0].isCurrentTurn);
  await console.press("Previous");
  await gm.until(() => live.state.scene.initiativeOrder[0].isCurrentTurn);
  // By keyboard, twice: what is pressed stays in hand.
  await console.page.focus(`[aria-label="One hit point less for ${order[0].name}"]`);
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder[0].hp === 6);
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder[0].hp === 5);
  // Ada comes, and is given Brenna.
  const ada = await gm.act(async () => {
    const { Live } = await import("/ui/live.js");
    globalThis.player = new Live({ name: "Ada", role: "player", storage: null });
    return new Promise((resolve) => {
      player.addEventListener("status", ({ detail }) => detail === "live" && resolve(player.state.you.id));
      player.connect();
    });
  });
  await console.until((ada) => document.querySelector('[aria-label="Who plays Brenna"]')?.querySelector(`option[value="${ada}"]`), ada);
  await console.page.select('[aria-label="Who plays Brenna"]', ada);
  await gm.until(() => player.state.you.entries?.length === 1);
  await console.press("Put Brenna on the map");
  await gm.until(() => live.state.scene.initiativeOrder[2].mapPosition?.useGridCoordinates === true);
  assert.deepEqual(console.problems, []);
});

test("with a screen at the table the tools stand in one line on a small notebook", async (t) => {
  const { server, browser, gm } = await startTable(t);
  const console = await openConsole(gm);
  await console.page.setViewport({ width: 1280, height: 800 });
  await openScreen(browser, server, gm);
  await console.page.waitForSelector('[aria-label="Frames of screens"]:not([hidden])');
  const tops = await console.page.$$eval(".tool-bar button", (buttons) => [...new Set(buttons.map((button) => button.getBoundingClientRect().top))]);
  assert.equal(tops.length, 1, JSON.stringify(tops));
});

test("a screen is let in by one click, blanked, shown again and removed", async (t) => {
  const { server, browser, gm } = await startTable(t);
  await gm.show(SCENE);
  const screen = await openGuest(browser, { width: 1600, height: 900 });
  await screen.page.goto(`${server.base}/display`);
  const number = await numberOf(screen);
  const console = await openConsole(gm);
  await console.until((number) => [...document.querySelectorAll("people-panel .number")].some((one) => one.textContent === number), number);
  await console.page.click("#side-people-tab");
  await console.press(`Let in the screen that shows ${number}`);
  await screen.shows([200, 450, red]);
  await console.until(() => [...document.querySelectorAll("people-panel button")].some((one) => one.getAttribute("aria-label") === "Blank: Screen"));
  await console.press("Blank: Screen");
  await screen.until(() => document.querySelector("display-screen").classList.contains("blank"));
  await console.until(() => [...document.querySelectorAll("people-panel button")].some((one) => one.getAttribute("aria-label") === "Unblank: Screen"));
  await console.press("Unblank: Screen");
  await screen.shows([200, 450, red]);
  const code = await gm.code();
  await console.until((code) => document.querySelector(".table-code").textContent === code, code);
  await console.press("Remove: Screen");
  await (await console.page.waitForSelector("dialog[open] .danger")).click();
  await numberOf(screen);
  assert.deepEqual(console.problems, []);
});

test("a panel that cannot be loaded says so, and is there when it is tried again", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  await console.page.setRequestInterception(true);
  let isAway = true;
  console.page.on("request", (request) => (isAway && request.url().includes("turns-panel.js") ? request.abort() : request.continue()));
  await console.page.click("#side-turns-tab");
  await console.until(() => document.querySelector("#side-turns").textContent.includes("The turns could not be loaded"));
  await console.until(() => document.querySelector("status-line").textContent.includes("The turns could not be loaded"));
  await console.page.focus("#side-turns button");
  isAway = false;
  await console.page.keyboard.press("Enter");
  await console.page.waitForSelector("turns-panel .turn");
  assert.equal(await console.page.evaluate(() => document.activeElement.id), "side-turns", "the focus stays in the panel");
});

test("Ctrl+S saves, whatever panel is open and also from a field; keys leave the page alone while it is asked", async (t) => {
  const { gm } = await startTable(t);
  await gm.show(SCENE);
  const console = await openConsole(gm);
  await console.until(() => document.querySelector("gm-console").state.desk.status === "new");
  await console.page.focus('#side-maps input[type="search"]');
  await console.page.keyboard.down("Control");
  await console.page.keyboard.press("s");
  await console.page.keyboard.up("Control");
  await console.page.waitForSelector("dialog[open] input");
  await console.page.evaluate(() => document.activeElement.blur());
  await console.page.keyboard.press("f");
  assert.equal(await console.page.$eval('[data-tool="fog"]', (tool) => tool.getAttribute("aria-pressed")), "false");
  await console.page.focus("dialog[open] input");
  await console.page.keyboard.press("Enter");
  await gm.until(async () => (await (await fetch("/scenes/list")).json()).scenes.length === 1);
  assert.deepEqual(console.problems, []);
});

test("whoever looks elsewhere is told how much was said and rolled", async (t) => {
  const { server, browser, gm } = await startTable(t);
  await gm.act(() => live.chat("before"));
  const console = await openConsole(gm);
  const phone = await openGuest(browser, { width: 390, height: 800 });
  await phone.page.goto(`${server.base}/join`);
  await phone.page.type('[name="name"]', "Ada");
  await phone.page.keyboard.press("Enter");
  await phone.page.waitForSelector("#tab-chat");
  await phone.page.click("#tab-chat");
  await phone.page.waitForSelector("table-chat option[value=gm]");
  await phone.page.select("table-chat select", "gm");
  await phone.page.type("table-chat textarea", "I hide");
  await phone.page.keyboard.press("Enter");
  const tab = (words) => console.until((words) => document.querySelector("#side-chat-tab").textContent === words, words);
  await tab("Chat1 new");
  await phone.page.click("#tab-dice");
  await phone.page.click(".die.main");
  await tab("Chat2 new");
  for (const scheme of ["dark", "light"]) {
    await wear(console.page, scheme);
    assert.deepEqual(await faultsOf(console.page), [], scheme);
  }
  await console.page.click("#side-chat-tab");
  await tab("Chat");
  await phone.page.click(".die.main");
  await console.until(() => document.querySelectorAll(".table-line").length === 4);
  await tab("Chat");
  assert.deepEqual([...console.problems, ...phone.problems], []);
});

for (const scheme of ["dark", "light"]) {
  test(`axe finds nothing wrong with any part of the console (${scheme}), and it is light`, async (t) => {
    const { gm } = await startTable(t);
    await gm.show(SCENE);
    const console = await openConsole(gm);
    await wear(console.page, scheme);
    for (const part of ["maps", "scenes", "turns", "sounds", "people", "chat", "dice"]) {
      await console.page.click(`#side-${part}-tab`);
      await console.page.waitForSelector(`#side-${part} > *`);
      assert.deepEqual(await faultsOf(console.page), [], part);
    }
    for (const tool of ["Fog", "Area"]) {
      await console.press(tool);
      assert.deepEqual(await faultsOf(console.page), [], tool);
    }
    const bytes = await weigh(console.page, console.page.url());
    assert.ok(bytes < 200_000, `${bytes} bytes`);
  });
}
