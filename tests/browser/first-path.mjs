// The first evening, step by step: a GM who has never heard of it, a TV, and a phone. One telling for all browsers.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { NAME } from "./browsers.mjs";
import { png } from "./pictures.mjs";
import { DEMO, ask, startServer } from "./server.mjs";
import { COLORS, POLL, assertNothingSecret, lookAt, numberOf } from "./tables.mjs";

const { red, blue, black, brenna } = COLORS;
/** Where people stand, in parts of the map: away from the grid's lines, and from each other. */
const SPOTS = { left: [0.26, 0.3], right: [0.92, 0.3], brenna: [0.26, 0.7], area: [0.12, 0.5], trap: [0.4, 0.2], corner: [0.92, 0.8] };
/** Beside the letter in the middle of a token. */
const beside = ([x, y]) => [x - 11, y - 10];

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./browsers.mjs").Walked} browser
 */
export async function walkFirstPath(t, browser) {
  // On all interfaces, as at home, but not announced to the network of whoever runs the tests.
  const server = await startServer(t, ["--listen", "0.0.0.0:0", "--allow-host", NAME, "--mdns", "false", "--players", "code"]);
  const gm = await openConsole(browser, server);
  const { addresses, code } = (await ask(`${server.base}/tables/main/invite`)).body;
  const named = `http://${NAME}:${new URL(server.base).port}`;
  const [way] = [...addresses, { origin: named, join: `${named}/join#${code}` }];

  const spots = await putMapsOnTheTable(gm, server);
  const tv = await letScreenIn(gm, browser, way.origin);
  await tv.sees([...spots.left, red], [...spots.right, blue]);

  const lurker = await coverAndPlace(gm, tv, spots);
  await markAreas(gm, tv, spots);
  await playMusic(gm, tv, server);
  await saveAndComeBack(gm, tv, spots);
  const phone = await joinByPhone(browser, way.join);
  await phone.sees([...spots.left, red], [...spots.right, black], [...beside(spots.brenna), brenna]);

  await gm.part("people");
  await gm.press("Blank: Screen");
  await tv.until(() => document.querySelector(".display-curtain").checkVisibility());
  for (const { problems } of [gm, tv, phone]) assert.deepEqual(problems, []);
  await killInMidDrag(t, server, { gm, tv, phone }, spots);
  await gm.press("Unblank: Screen");
  for (const page of [tv, phone]) {
    await page.sees([...beside(spots.left), brenna], [...spots.brenna, red], [...spots.right, black]);
    assertNothingSecret(await page.received(), ["secret-lair", "hidden-trap", lurker]);
  }
}

/** A window of somebody, and all that comes to it. */
async function openWindow(browser, url, viewport) {
  const { page, problems } = await browser.open();
  await page.setViewport(viewport);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.evaluateOnNewDocument(() => {
    const came = globalThis.came = [];
    globalThis.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => came.push(String(data)));
      }
    };
    const { fetch } = globalThis;
    globalThis.fetch = async (...given) => {
      const answer = await fetch(...given);
      answer.clone().text().then((text) => came.push(text), () => {});
      return answer;
    };
    // Sounds stand in no document.
    globalThis.played = [];
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      if (this instanceof HTMLAudioElement) played.push(this);
      return play.call(this);
    };
  });
  await page.goto(url);
  const received = async () => [...asked, ...await page.evaluate(() => globalThis.came)];
  return { page, problems, received, ...lookAt(page) };
}

/** The page that the server's first line names, and the GM's hands on it. */
async function openConsole(browser, server) {
  const window = await openWindow(browser, server.base, { width: 1400, height: 900 });
  const { page, until, placeOf } = window;
  const live = () => until(() => document.querySelector(".console-state")?.textContent === "Live");
  await live();
  /** Presses a button by its words or its name, with the mouse. */
  const press = async (words, within = "body") => {
    for (let tries = 0; ; tries++) {
      const button = await page.waitForFunction((words, within) => [...document.querySelectorAll(`${within} button`)].find((one) =>
        one.checkVisibility() && !one.disabled && [one.textContent.trim(), one.getAttribute("aria-label"), one.title].includes(words)), POLL, words, within);
      try {
        return await button.asElement().click();
      } catch (error) {
        // It may have been built anew in between.
        if (tries === 3) throw error;
      }
    }
  };
  const part = (name) => page.click(`#side-${name}-tab`);
  const field = async (label, text, within) => {
    const input = await page.waitForFunction((label, within) => [...document.querySelectorAll(`${within} label`)].find((one) => one.checkVisibility() && one.textContent.trim() === label)?.querySelector("input"), POLL, label, within);
    // Not by a click: what has just come may still be on its way to its place.
    await input.asElement().evaluate((input) => {
      input.focus();
      input.select();
    });
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
  };
  const take = async (from, to, steps = 6) => {
    const [a, b] = [await placeOf(...from), await placeOf(...to)];
    await page.mouse.move(a.x, a.y);
    await page.mouse.down();
    await page.mouse.move(b.x, b.y, { steps });
  };
  const drag = async (from, to) => {
    await take(from, to);
    await page.mouse.up();
  };
  const click = async (at) => {
    const { x, y } = await placeOf(...at);
    await page.mouse.click(x, y);
  };
  const scene = () => page.$eval("table-stage", ({ scene }) => scene);
  const drop = (selector, files) => browser.drop(page, selector, files);
  return { ...window, live, press, part, field, take, drag, click, scene, drop };
}

/** @returns where things are going to be, in the scene's units */
async function putMapsOnTheTable(gm, server) {
  const body = png(1600, 900, (x) => (x < 800 ? red : blue));
  const files = ["hall.png", "secret-lair.png"].map((name) => ({ name, type: "image/png", path: path.join(server.data, "..", name), body }));
  for (const file of files) await writeFile(file.path, file.body);
  await gm.drop("#side-maps map-library", files);
  await gm.press("Put hall.png on the table");
  await gm.until(() => document.querySelector("table-stage").maps[0]?.box);
  // The GM's own, for later.
  await gm.press("Put secret-lair.png on the table");
  await gm.press("Hide secret-lair.png");
  await gm.until(() => document.querySelector("table-stage").scene.maps[1]?.data.isHidden);
  const { x, y, width, height } = await gm.page.$eval("table-stage", ({ maps }) => maps[0].box);
  const middleOfCell = (at) => Math.floor(at / 50) * 50 + 25;
  return Object.fromEntries(Object.entries(SPOTS).map(([name, [across, down]]) =>
    [name, [middleOfCell(x + (across - 0.5) * width), middleOfCell(y + (down - 0.5) * height)]]));
}

async function letScreenIn(gm, browser, origin) {
  const tv = await openWindow(browser, `${origin}/display`, { width: 1280, height: 720 });
  const number = await numberOf(tv);
  await gm.part("people");
  await gm.press(`Let in the screen that shows ${number}`);
  return tv;
}

/** Covers all, places who lurks and who does not, and uncovers what may be seen. @returns the place that nobody may learn */
async function coverAndPlace(gm, tv, spots) {
  await gm.press("Fog");
  await gm.press("Cover all");
  await tv.sees([...spots.left, black], [...spots.right, black]);
  await gm.press("Move");
  await gm.part("turns");
  const put = async (name, spot) => {
    await gm.field("Name", name, ".entry-form");
    await gm.until((name) => document.querySelector("table-stage").scene.initiativeOrder.some((entry) => entry.name === name), name);
    await gm.press(`Put ${name} on the map`);
    const at = await (await gm.until((name) => {
      const token = document.querySelector("table-stage").tokens.find((one) => one.name === name);
      return token && [token.x, token.y];
    }, name)).jsonValue();
    await gm.drag(at, spot);
    await gm.until((name, [x, y]) => document.querySelector("table-stage").tokens.some((one) => one.name === name && Math.hypot(one.x - x, one.y - y) < 25), name, spot);
  };
  await put("Lurker", spots.corner);
  const { mapPosition } = (await gm.scene()).initiativeOrder.find(({ name }) => name === "Lurker");
  await (await gm.page.$(".entry-form .check input")).click();
  await put("Brenna", spots.brenna);
  await gm.press("Fog");
  await gm.page.select('[aria-label="What it does"]', "reveal");
  const [left, top] = [spots.area[0] - 150, spots.trap[1] - 150];
  await gm.drag([left, top], [left + 900, top + 750]);
  await tv.sees([...spots.left, red], [...spots.right, black], [...beside(spots.brenna), brenna]);
  return `"x":${mapPosition.x},`;
}

async function markAreas(gm, tv, spots) {
  await gm.press("Area");
  await gm.click(spots.area);
  await tv.until(() => document.querySelector("table-stage").markers.length === 1);
  const hidden = await gm.page.waitForFunction(() => [...document.querySelectorAll(".tool-options label")].find((one) => one.textContent === "Hidden at first")?.querySelector("input"));
  await hidden.asElement().click();
  await gm.click(spots.trap);
  await gm.until(() => document.querySelector("table-stage").markers.length === 2);
  await gm.press("Move");
  await gm.click(spots.trap);
  await gm.field("Label", "hidden-trap", ".chosen-bar");
  await gm.until(() => document.querySelector("table-stage").scene.aoeMarkers.some(({ label }) => label === "hidden-trap"));
  await gm.page.keyboard.press("Escape");
}

async function playMusic(gm, tv, server) {
  await gm.part("sounds");
  const body = await readFile(path.join(DEMO, "sounds/loop/Ambience/crypt-drips.ogg"));
  const file = { name: "drips.ogg", type: "audio/ogg", path: path.join(server.data, "..", "drips.ogg"), body };
  await writeFile(file.path, body);
  await gm.page.waitForSelector("#side-sounds sounds-panel");
  await gm.drop("#side-sounds sounds-panel", [file]);
  await (await gm.page.waitForSelector(".shelf-sound")).click();
  // A browser is heard once somebody has touched its page.
  await tv.page.mouse.click(300, 300);
  await tv.until(() => played.some((sound) => !sound.paused && sound.currentTime > 0.2));
}

async function saveAndComeBack(gm, tv, spots) {
  await gm.part("scenes");
  await gm.press("Save as…");
  await gm.page.waitForSelector("dialog[open] input");
  await gm.page.keyboard.type("The first evening");
  await gm.page.keyboard.press("Enter");
  await gm.says(".desk-status", "Saved");
  await gm.press("New scene");
  await tv.says(".display-card", "Waiting for the GM");
  await gm.page.reload();
  await gm.live();
  await gm.part("scenes");
  await gm.press("Load The first evening");
  await tv.sees([...spots.left, red], [...spots.right, black], [...beside(spots.brenna), brenna]);
}

async function joinByPhone(browser, url) {
  const phone = await openWindow(browser, url, { width: 360, height: 740, deviceScaleFactor: 2 });
  await phone.until(() => /^\w{4}$/.test(document.querySelector('input[name="code"]')?.value ?? ""));
  await phone.page.type('input[name="name"]', "Ada");
  await phone.page.click('join-door button[type="submit"]');
  await phone.until(() => document.querySelector("player-seat")?.dataset.is === "well");
  return phone;
}

/** What is hidden is left out: that is the same for all. */
const sceneOf = () => {
  const { scene } = document.querySelector("table-stage");
  return JSON.stringify({
    name: scene.name,
    maps: scene.maps.filter(({ data }) => data.isHidden !== true).map(({ name, data }) => [name, data.position]),
    entries: scene.initiativeOrder.map(({ name, mapPosition }) => [name, name !== "Lurker" && mapPosition]),
    areas: scene.aoeMarkers.filter(({ revealed }) => revealed !== false).map(({ id, position }) => [id, position]),
    fog: scene.fogOfWar,
  });
};

async function killInMidDrag(t, server, { gm, tv, phone }, spots) {
  const pages = [gm, tv, phone];
  const opened = await Promise.all(pages.map(({ page }) => page.evaluate(() => performance.timeOrigin)));
  await gm.take(spots.brenna, spots.area);
  // The hand goes on, and lets go while nobody is there to hear it.
  await server.restart("SIGKILL", async () => {
    const { x, y } = await gm.placeOf(...spots.left);
    await gm.page.mouse.move(x, y, { steps: 2 });
    await gm.page.mouse.up();
  });
  const start = performance.now();
  const isRight = ([x, y]) => {
    const stage = document.querySelector("table-stage");
    const token = stage.tokens.find(({ name }) => name === "Brenna");
    return Math.hypot(token.x - x, token.y - y) < 25 && stage.isComplete;
  };
  await Promise.all([gm.live(), phone.until(() => document.querySelector("player-seat").dataset.is === "well"), ...pages.map(({ until }) => until(isRight, spots.left))]);
  // How long it takes where nothing else runs is no matter of a test: it is told.
  t.diagnostic(`right again after ${(performance.now() - start).toFixed()} ms`);
  const [first, ...others] = await Promise.all(pages.map(({ page }) => page.evaluate(sceneOf)));
  for (const other of others) assert.equal(other, first);
  assert.ok(await tv.page.$eval(".display-curtain", (curtain) => curtain.checkVisibility()), "the TV is as blank as it was");
  assert.deepEqual(await Promise.all(pages.map(({ page }) => page.evaluate(() => performance.timeOrigin))), opened, "without a reload");
}
