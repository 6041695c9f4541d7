// The initiative order beside the table: who is added, put right, placed, and followed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConsole } from "./consoles.mjs";
import { SCENE, faultsOf, openGuest, startTable } from "./tables.mjs";

/** A table with its turns open, and a way to fill in their form. */
async function openTurns(t, scene = SCENE) {
  const { gm, ...more } = await startTable(t);
  await gm.show(scene);
  const console = await openConsole(gm);
  await console.page.click("#side-turns-tab");
  await console.page.waitForSelector(".entry-form");
  const field = (within, label) => console.page.evaluateHandle((within, label) =>
    [...document.querySelectorAll(`${within} label`)].find((one) => one.textContent === label).querySelector("input"), within, label);
  const type = async (label, text, within = ".entry-form") => {
    const input = await field(within, label);
    await input.click({ count: 3 });
    await console.page.keyboard.type(text);
  };
  return { gm, console, field, type, ...more };
}

test("who is added after a player is none; name, initiative and whose it is can be put right, with one undo", async (t) => {
  const { gm, console, field, type } = await openTurns(t, { ...SCENE, initiativeOrder: [] });
  const add = async (name) => {
    await type("Name", name);
    await console.page.keyboard.press("Enter");
    await gm.until((name) => live.state.scene.initiativeOrder.some((entry) => entry.name === name), name);
    return gm.act((name) => live.state.scene.initiativeOrder.find((entry) => entry.name === name), name);
  };
  await (await field(".entry-form", "A player's")).click();
  assert.equal((await add("Brenna")).isPlayer, true);
  const gnoll = await add("Gnoll");
  assert.equal(gnoll.isPlayer, false, "the box does not stay ticked");

  await console.press("Edit Gnoll");
  await console.page.waitForSelector("dialog[open] .ask-fields");
  assert.deepEqual(await faultsOf(console.page), []);
  await type("Name", "Gnoll chief", "dialog[open]");
  await type("Initiative", "soon", "dialog[open]");
  await (await field("dialog[open]", "A player's")).click();
  await console.page.click("dialog[open] .dialog-buttons [type=submit]");
  await console.until(() => document.querySelector('dialog[open] [role="alert"]').textContent === "An initiative is a number.");
  assert.equal(await console.page.evaluate(() => document.activeElement.value), "soon", "what is wrong is in hand");
  await type("Initiative", "12,5", "dialog[open]");
  await console.page.keyboard.press("Enter");
  const is = (...values) => gm.until((id, values) => {
    const { name, initiative, isPlayer } = live.state.scene.initiativeOrder.find((entry) => entry.id === id);
    return JSON.stringify([name, initiative, isPlayer]) === values;
  }, gnoll.id, JSON.stringify(values));
  await is("Gnoll chief", 12.5, true);
  await console.page.waitForSelector("dialog", { hidden: true });
  await console.press("Undo: Changed Gnoll");
  await is("Gnoll", gnoll.initiative, false);
  assert.deepEqual(console.problems, []);
});

test("who is placed one after the other stands side by side, large ones with room for them", async (t) => {
  const entries = ["a", "b", "c", "d", "e", "f"].map((id, i) => ({ id, name: id, initiative: 9 - i, isPlayer: false, isCurrentTurn: false, isKilled: false, tokenFootprint: i === 1 ? 3 : 1 }));
  const { gm, console } = await openTurns(t, { ...SCENE, initiativeOrder: entries });
  for (const { id } of entries) {
    await console.press(`Put ${id} on the map`);
    await gm.until((id) => live.state.scene.initiativeOrder.find((entry) => entry.id === id).mapPosition, id);
  }
  const stage = () => console.page.$eval("table-stage", ({ tokens, camera }) => ({ tokens, middle: { x: camera.x, y: camera.y } }));
  await console.until(() => document.querySelector("table-stage").tokens.length === 6);
  const { tokens, middle } = await stage();
  for (const [i, one] of tokens.entries()) {
    assert.ok(Math.hypot(one.x - middle.x, one.y - middle.y) < 250, `${one.name} is near the middle`);
    for (const other of tokens.slice(i + 1)) {
      const apart = Math.max(Math.abs(one.x - other.x), Math.abs(one.y - other.y));
      assert.ok(apart > (one.size + other.size) / 2 - 1, `${one.name} and ${other.name} are ${apart} apart`);
    }
  }
  assert.deepEqual(console.problems, []);
});

test("what was wrong in a form is not said any more when it is right", async (t) => {
  const { gm, console, type } = await openTurns(t, { ...SCENE, initiativeOrder: [] });
  await type("Name", "Gnoll");
  await type("Initiative or dice", "soon");
  await console.page.keyboard.press("Enter");
  await console.until(() => document.querySelector("status-line.shown.error")?.textContent.includes("Initiative is a number"));
  await type("Initiative or dice", "12");
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder.length === 1);
  await console.until(() => !document.querySelector("status-line").classList.contains("shown"));
  // What another part of the page has said stays.
  await console.page.evaluate(() => document.querySelector("maps-panel").dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text: "The disk is full.", kind: "error" } })));
  await type("Name", "Orc");
  await console.page.keyboard.press("Enter");
  await gm.until(() => live.state.scene.initiativeOrder.length === 2);
  assert.equal(await console.page.$eval("status-line", (line) => line.textContent), "The disk is full.");
  assert.deepEqual(console.problems, []);
});

test("whoever is away keeps the token, by name, until the GM takes it back", async (t) => {
  const { gm, console, server, browser } = await openTurns(t);
  const phone = await openGuest(browser, { width: 390, height: 700, hasTouch: true, isMobile: true });
  await phone.page.goto(`${server.base}/join`);
  await phone.page.type('[name="name"]', "Ada");
  await phone.page.keyboard.press("Enter");
  const { id } = await gm.member("Ada");
  const select = `[aria-label="Who plays Brenna"]`;
  await console.until((select) => document.querySelector(select)?.options.length === 2, select);
  await console.page.select(select, id);
  await phone.until(() => document.querySelector("table-stage")?.mine.has("i1"));
  await phone.page.close();
  const holds = (words) => console.until((select, words) => {
    const shown = document.querySelector(select);
    return (shown?.selectedOptions[0].textContent ?? "") === words;
  }, select, words);
  await holds("Ada (away)");
  // Also for a GM who was not there when it went.
  await console.page.reload();
  await console.page.click("#side-turns-tab");
  await holds("Ada (away)");
  assert.equal(await console.page.$('[aria-label="Who plays Gnoll"]'), null, "who is away gets nothing new");
  await console.page.select(select, "");
  await holds("");
  assert.deepEqual(await gm.act(() => live.state.members.map(({ name }) => name).filter((name) => name === "Ada")), [], "who is away is not here for that");
  assert.deepEqual(console.problems, []);
});

test("who has no hit points is down and has no turn, but for players; numbers with a sign heal and hurt", async (t) => {
  const { gm, console } = await openTurns(t);
  const points = (name) => `[aria-label="Hit points of ${name}"]`;
  const write = async (name, text) => {
    await console.page.click(points(name), { count: 3 });
    await console.page.keyboard.type(text);
    await console.page.keyboard.press("Enter");
  };
  const has = (name, hp, isKilled = false) => gm.until((name, hp, isKilled) => {
    const entry = live.state.scene.initiativeOrder.find((one) => one.name === name);
    return entry.hp === hp && entry.isKilled === isKilled;
  }, name, hp, isKilled);
  await write("Gnoll", "+5");
  await has("Gnoll", 14);
  // Behind what was written last, too.
  await console.until((field) => document.activeElement === document.querySelector(field), points("Gnoll"));
  await console.page.keyboard.type("-20");
  await console.page.keyboard.press("Enter");
  await has("Gnoll", -6);
  await write("Gnoll", "many");
  await console.until((field) => document.querySelector(field).value === "-6", points("Gnoll"));
  await console.until(() => document.querySelector("status-line").textContent.includes("“many” is no number"));
  // Of what is below nothing, a number with a minus is one.
  await write("Gnoll", "-4");
  await has("Gnoll", -4);
  await write("Brenna", "0");
  await has("Brenna", 0);

  const state = (name) => console.page.evaluate((name) => {
    const row = [...document.querySelectorAll(".turn")].find((one) => one.querySelector("strong").textContent === name);
    return [row.querySelector(".turn-state").textContent.split(",")[0], row.querySelector(".turn-tools .quiet").textContent];
  }, name);
  await console.until(() => document.querySelectorAll('[aria-label="Revive Gnoll"]').length === 1);
  assert.deepEqual(await state("Gnoll"), ["Down", "Revive"]);
  assert.deepEqual(await state("Brenna"), ["Their turn · Dying", "Down"]);
  const isTurnOf = (name) => gm.until((name) => live.state.scene.initiativeOrder.find((one) => one.isCurrentTurn)?.name === name, name);
  await console.press("Next turn");
  await isTurnOf("Lurker");
  await console.press("Next turn");
  await isTurnOf("Brenna");
  await console.press("Brenna is down");
  await has("Brenna", 0, true);
  await console.press("Next turn");
  await isTurnOf("Lurker");
  await console.press("Revive Gnoll");
  await has("Gnoll", 1);
  await console.press("Revive Brenna");
  await has("Brenna", 1);
  await console.press("Next turn");
  await isTurnOf("Brenna");
  assert.deepEqual(console.problems, []);
});

const CROWD = Array.from({ length: 24 }, (_, i) => ({ id: `c${i}`, name: `Goblin ${i}`, initiative: 50 - i, isPlayer: false, isCurrentTurn: i === 0, isKilled: false, hp: 7, initialHP: 7 }));
test("a long name of a player leaves the buttons in the panel, and the focus is not behind the bar above", async (t) => {
  const { gm, console } = await openTurns(t, { ...SCENE, initiativeOrder: CROWD });
  await gm.act(async () => {
    const { Live } = await import("/ui/live.js");
    globalThis.player = new Live({ name: "Bartholomew-Maximilian-Featherstonehaugh", role: "player", storage: null });
    player.connect();
  });
  await console.until(() => document.querySelector(".turn-tools select")?.textContent.includes("Featherstonehaugh"));
  const beside = await console.page.evaluate(() => {
    const { right } = document.querySelector("#side-turns .turns").getBoundingClientRect();
    const edge = document.querySelector("#side-turns").getBoundingClientRect().right;
    return [...document.querySelectorAll("turns-panel button, turns-panel select")].filter((one) => one.getBoundingClientRect().right > Math.min(right, edge) + 1).map((one) => one.outerHTML);
  });
  assert.deepEqual(beside, []);
  // Backwards through the list, as with Shift and Tab.
  await console.page.focus('[aria-label="Remove Goblin 20 from the order"]');
  await console.page.focus('[aria-label="Move Goblin 3 up in the order"]');
  const { above, top } = await console.page.evaluate(() => ({ above: document.querySelector(".turn-steps").getBoundingClientRect().bottom, top: document.activeElement.getBoundingClientRect().top }));
  assert.ok(top >= above, `${top} is behind what ends at ${above}`);
  assert.deepEqual(console.problems, []);
});

/** Whether the row of whose turn it is can be seen whole. */
const seesTurn = (name) => {
  const row = document.querySelector(".turn.current");
  if (row?.querySelector("strong").textContent !== name) return false;
  const { top, bottom } = row.getBoundingClientRect();
  const panel = row.closest(".side-panel, .seat-panel").getBoundingClientRect();
  const from = document.querySelector(".turn-steps")?.getBoundingClientRect().bottom ?? panel.top;
  return top >= from - 1 && bottom <= panel.bottom + 1;
};

test("with quick turns too, whose turn it is is in view at once", async (t) => {
  const { console } = await openTurns(t, { ...SCENE, initiativeOrder: CROWD });
  await console.until(seesTurn, "Goblin 0");
  for (const [word, first, last, step] of [["Next turn", 1, 17, 1], ["Previous", 16, 2, -1]]) {
    for (let at = first; at !== last + step; at += step) {
      await console.press(word);
      assert.ok(await console.page.evaluate(seesTurn, `Goblin ${at}`), `Goblin ${at}`);
    }
  }
  assert.deepEqual(console.problems, []);
});

test("whose turn it is comes into view, on the console and on a phone, and nothing but the list moves", async (t) => {
  const { gm, console, server, browser } = await openTurns(t, { ...SCENE, initiativeOrder: CROWD });
  await console.page.focus("table-stage");
  const to = (at, from) => gm.change(
    { op: "set", path: ["initiativeOrder", { id: `c${from}` }, "isCurrentTurn"], value: false },
    { op: "set", path: ["initiativeOrder", { id: `c${at}` }, "isCurrentTurn"], value: true });
  await console.until(seesTurn, "Goblin 0");
  await to(20, 0);
  await console.until(seesTurn, "Goblin 20");
  assert.equal(await console.page.evaluate(() => document.activeElement.localName), "table-stage");
  // While another panel is open; back again the list is where the turn is.
  await console.page.click("#side-maps-tab");
  await to(2, 20);
  await console.until(() => document.querySelector("table-stage").scene.initiativeOrder[2].isCurrentTurn);
  await console.page.click("#side-turns-tab");
  await console.until(seesTurn, "Goblin 2");

  const phone = await openGuest(browser, { width: 390, height: 700, hasTouch: true, isMobile: true });
  await phone.page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
  await phone.page.goto(`${server.base}/join`);
  await phone.page.type('[name="name"]', "Ada");
  await phone.page.keyboard.press("Enter");
  await phone.page.waitForSelector("#tab-turns");
  await to(22, 2);
  await phone.until(() => document.querySelector("table-stage").scene?.initiativeOrder[22].isCurrentTurn);
  await phone.page.click("#tab-turns");
  await phone.until(seesTurn, "Goblin 22");
  await to(1, 22);
  await phone.until(seesTurn, "Goblin 1");
  const scrolled = () => phone.page.evaluate(() => [scrollY, ...[...document.querySelectorAll("body, main, player-seat")].map(({ scrollTop }) => scrollTop)]);
  assert.deepEqual(await scrolled(), [0, 0, 0, 0]);
  await phone.page.click("#tab-map");
  await to(23, 1);
  await phone.until(() => document.querySelector("table-stage").scene.initiativeOrder[23].isCurrentTurn);
  assert.deepEqual(await scrolled(), [0, 0, 0, 0]);
  assert.deepEqual([...console.problems, ...phone.problems], []);
});
