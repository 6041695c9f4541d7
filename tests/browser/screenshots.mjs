// Makes docs/screenshots anew: every page in its main states, with the demo table in a temporary folder.
// SHOTS=folder keeps them there without loss, too.

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { measure } from "./measuring.mjs";
import { DEMO, ask, openPage, startBrowser, startServer, until } from "./server.mjs";
import { POLL, lookAt, numberOf } from "./tables.mjs";

const FOLDER = path.join(DEMO, "docs/screenshots");
/** Nobody waits for a picture in a README. */
const MOST_BYTES = 150 * 1024;
const DESK = { width: 1440, height: 900 };
const TV = { width: 1280, height: 720 };
const PHONE = { width: 360, height: 740, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

await measure(async (t) => {
  const server = await startServer(t, ["--listen", "0.0.0.0:0", "--mdns", "false", "--players", "code"]);
  await layOut(server);
  const browser = await startBrowser(t);
  const open = async (url, viewport) => {
    const { page } = await openPage(await browser.createBrowserContext());
    await page.setViewport(viewport);
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }, { name: "prefers-reduced-motion", value: "reduce" }]);
    await page.goto(url);
    return { page, ...lookAt(page) };
  };
  const { addresses: [way] } = (await ask(`${server.base}/tables/main/invite`)).body;
  if (!way) throw new Error("this machine has no network to come in by");

  const gm = await open(server.base, DESK);
  await gm.until(() => document.querySelector(".console-state")?.textContent === "Live");
  const tv = await screenIn(gm, await open(`${way.origin}/display`, TV));
  const bo = await phoneIn(await open(way.join, PHONE), "Bo");
  const ada = await phoneIn(await open(way.join, PHONE), "Ada", "join");
  await play(gm);
  await settled(tv);
  await shoot(tv.page, "display");
  await settled(ada);
  await shoot(ada.page, "phone");
  await seat(gm, { Ada: "Brenna", Bo: "Tamsin Quickstep" });
  await ada.until(() => document.querySelector("table-stage").mine.size === 1);
  await press(ada, "Show my token");
  await settled(ada);
  await shoot(ada.page, "phone-token");
  await ada.page.evaluate(() => [...document.querySelectorAll('[role="tab"]')].find((tab) => tab.textContent.startsWith("Turns")).click());
  await shoot(ada.page, "phone-turns");
  await bo.page.close();
  await shootConsole(gm);
  await shootLibraries(gm);
  await shootChat(server, open);
});

/** The demo table with a few more scenes, as after some evenings. */
async function layOut(server) {
  for (const folder of ["maps", "sounds", "scenes"]) await cp(path.join(DEMO, folder), path.join(server.data, folder), { recursive: true });
  const crypt = "scenes/5f0c6c1e-7d0a-4c1b-9a54-3f8f2f6f7a10.json";
  const scene = JSON.parse(await readFile(path.join(DEMO, crypt), "utf8"));
  // What is hidden lies below, and nobody stands on another's name.
  scene.maps.reverse();
  const moved = { "Skeleton Archer": [21.5, 6.5], "Ghoul Packmate": [15.5, 12.5], "Wren Ashdown": [10.5, 10.5] };
  for (const [name, [x, y]] of Object.entries(moved)) Object.assign(scene.initiativeOrder.find((entry) => entry.name === name).mapPosition, { x, y });
  await writeFile(path.join(server.data, crypt), JSON.stringify(scene));
  const keep = async (folder, name, map, entries) => {
    const id = name.toLowerCase().replaceAll(" ", "-");
    await mkdir(path.join(server.data, "scenes", folder), { recursive: true });
    const maps = scene.maps.filter((one) => one.name === map).map((one) => ({ ...one, data: { ...one.data, isHidden: false } }));
    const value = { ...scene, id, name, folder, maps, activeMapId: map, initiativeOrder: scene.initiativeOrder.slice(0, entries), aoeMarkers: [], fogOfWar: [] };
    await writeFile(path.join(server.data, "scenes", folder, `${id}.json`), JSON.stringify(value));
  };
  await keep("The road north", "Ambush at the ford", "forest-road.jpg", 6);
  await keep("The road north", "Camp by night", "forest-road.jpg", 0);
  await until("the maps, scenes and sounds", async () => {
    const { maps, scenes, sounds } = (await ask(`${server.base}/health`)).body;
    return maps.files === 2 && scenes.files === 3 && sounds.files === 6;
  });
}

async function screenIn(gm, tv) {
  const number = await numberOf(tv);
  await shoot(tv.page, "display-pairing");
  await ask(new URL("/tables/main/pair", gm.page.url()).href);
  await gm.page.evaluate((number) => fetch("/tables/main/pair", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ number }) }), number);
  await tv.says(".display-card", "Waiting for the GM");
  await shoot(tv.page, "display-waiting");
  await gm.page.evaluate(async () => {
    const { live } = document.querySelector("chosen-bar").table;
    while (!live.state.members.some(({ role }) => role === "display")) await new Promise((resolve) => setTimeout(resolve, 50));
    await live.display({ target: live.state.members.find(({ role }) => role === "display").id, action: "name", name: "TV on the wall" });
  });
  return tv;
}

async function phoneIn(phone, name, shot) {
  await phone.until(() => document.querySelector('input[name="code"]')?.value.length === 4);
  await phone.page.type('input[name="name"]', name);
  if (shot) await shoot(phone.page, shot);
  await phone.page.tap('join-door button[type="submit"]');
  await phone.until(() => document.querySelector("player-seat")?.dataset.is === "well");
  return phone;
}

/** The scene comes onto the table, and something is said and heard. */
async function play(gm) {
  await gm.page.click("#side-scenes-tab");
  await (await gm.page.waitForSelector('[title="Load The Sunken Crypt"]')).click();
  await gm.says(".desk-status", "Saved");
  await gm.page.evaluate(async () => {
    const { live } = document.querySelector("chosen-bar").table;
    const { loop } = await (await fetch("/audio/list")).json();
    const [sound] = Object.values(loop).flat();
    await live.audio({ action: "play", track: sound.id, loop: true, volume: 0.7, position: 12, route: "all" });
    await live.chat("The bones in the alcoves begin to stir.");
  });
}

/** @param {Record<string, string>} holders entries by name of who plays them */
function seat(gm, holders) {
  return gm.page.evaluate(async (holders) => {
    const { live } = document.querySelector("chosen-bar").table;
    for (const [name, plays] of Object.entries(holders)) {
      const entry = live.state.scene.initiativeOrder.find((one) => one.name === plays);
      await live.assign(entry.id, live.state.members.find((member) => member.name === name).id);
    }
  }, holders);
}

async function shootConsole(gm) {
  const { page } = gm;
  const part = (name) => page.click(`#side-${name}-tab`);
  const scheme = (value) => page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }, { name: "prefers-reduced-motion", value: "reduce" }]);
  await quiet(gm);
  await part("maps");
  await settled(gm);
  await shoot(page, "console");
  await scheme("light");
  await settled(gm);
  await shoot(page, "console-light");
  await scheme("dark");
  // Farther away, so that all handles can be seen.
  await page.focus("table-stage");
  for (const key of ["-", "-"]) await page.keyboard.press(key);
  await page.evaluate(() => document.querySelector(".map-row .map-name:has(+ *)")?.closest(".map-rows").querySelector(".map-row:not(.is-hidden) .map-name").click());
  await settled(gm);
  await shoot(page, "console-handles");
  await page.focus("table-stage");
  await page.keyboard.press("Escape");
  await press(gm, "Show everything");
  for (const name of ["scenes", "turns", "sounds"]) {
    await part(name);
    await settled(gm);
    await shoot(page, `console-${name}`);
  }
  await page.click("#come-in");
  await gm.says(".way-state", "phone");
  await gm.page.$eval(".way-picture", (picture) => picture.decode());
  await shoot(page, "come-in");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog.come-in", { hidden: true });
}

async function shootLibraries(gm) {
  for (const name of ["maps", "scenes", "sounds"]) {
    await gm.page.click(`#tab-${name}`);
    await settled(gm);
    await shoot(gm.page, `library-${name}`);
  }
}

async function shootChat(server, open) {
  const [ann, bob] = [await open(`${server.base}/chat`, TV), await open(`${server.base}/chat`, TV)];
  const field = async ({ page }, label, text, scope) => (await page.waitForSelector(`::-p-xpath(//form[contains(., '${scope}')]//label[span[starts-with(., "${label}")]]/input)`)).type(text);
  await shoot(ann.page, "chat-start");
  await field(ann, "Room", "After the game", "Open a room");
  await field(ann, "Your name", "Ann", "Open a room");
  await press(ann, "Open the room");
  await ann.page.waitForSelector("chat-room[data-is=well]");
  await bob.page.goto(await ann.page.$eval("[aria-label='Link to this room']", (link) => link.value));
  await field(bob, "Your name", "Bob", "invited");
  await press(bob, "Join");
  await bob.page.waitForSelector("chat-room[data-is=well]");
  const lines = [[ann, "Same time on Thursday?"], [bob, "Yes. I bring the miniatures, the colossus is painted at last."], [ann, "Then we need the large table."], [bob, "And soup."]];
  for (const [who, text] of lines) {
    await who.page.type("textarea", text);
    await who.page.keyboard.press("Enter");
    for (const { until } of [ann, bob]) await until((text) => [...document.querySelectorAll(".line-text")].some((line) => line.textContent === text), text);
  }
  await shoot(ann.page, "chat");
}

/** Presses a button by its words or its name. */
async function press({ page }, words) {
  const button = await page.waitForFunction((words) => [...document.querySelectorAll("button")].find((one) => one.checkVisibility() && [one.textContent.trim(), one.getAttribute("aria-label")].includes(words)), POLL, words);
  await button.asElement().evaluate((button) => button.click());
}

/** Waits until nothing is said at the edge any more. */
function quiet({ until }) {
  return until(() => !document.querySelector("status-line p")?.textContent);
}

/** Waits until all pictures are there and drawn. */
async function settled({ page, until }) {
  await until(() => {
    const stage = document.querySelector("table-stage");
    const isSeen = (one) => one.checkVisibility() && one.getBoundingClientRect().top < innerHeight;
    return (!stage?.checkVisibility() || (stage.isComplete && stage.passing.pings.length === 0)) && [...document.images].every((image) => !isSeen(image) || (image.complete && image.naturalWidth > 0));
  });
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 400)));
}

/** @param {import("puppeteer-core").Page} page @param {string} name */
async function shoot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: path.join(process.env.SHOTS, `${name}.png`) });
  for (let quality = 84; ; quality -= 8) {
    const picture = await page.screenshot({ type: "jpeg", quality });
    if (picture.length > MOST_BYTES && quality > 30) continue;
    await writeFile(path.join(FOLDER, `${name}.jpg`), picture);
    return;
  }
}
