// A table with maps of plain colours, a GM who speaks the protocol, and pages that are watched.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { openPage, startBrowser, startServer } from "./server.mjs";

export const PASSWORD = "four dragons and a bard";
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** Pages behind others are not painted: ask by the clock, not by the frame. */
export const POLL = { polling: 50 };

const RED = [200, 40, 40];
const BLUE = [40, 60, 200];
export const COLORS = { red: RED, blue: BLUE, black: [0, 0, 0], brenna: [31, 90, 122] };

/** The table is 1600 × 900 units; the map is red on its left and blue on its right. */
export const SCENE = {
  id: "hall", name: "The hall", activeMapId: "hall.png",
  maps: [
    { name: "hall.png", folder: null, data: { position: { x: 16, y: 9 }, useGridCoordinates: true, useGridScaling: true, scale: 1, rotation: 0, isHidden: false } },
    { name: "secret-lair.png", folder: null, data: { position: { x: 16, y: 9 }, useGridCoordinates: true, useGridScaling: true, scale: 1, rotation: 0, isHidden: true } },
  ],
  gridSettings: { showGrid: false, gridSize: 50, useFixedGrid: true, gridCellsX: 32, gridCellsY: 18 },
  initiativeOrder: [
    { id: "i1", name: "Brenna", initiative: 21, isPlayer: true, isCurrentTurn: true, isKilled: false, hp: 31, initialHP: 38, mapPosition: { x: 8.5, y: 8.5, useGridCoordinates: true }, tokenFootprint: 1 },
    { id: "i2", name: "Gnoll", initiative: 14, isPlayer: false, isCurrentTurn: false, isKilled: false, hp: 9, initialHP: 20, mapPosition: { x: 20.5, y: 8.5, useGridCoordinates: true }, tokenFootprint: 1 },
    { id: "i3", name: "Lurker", initiative: 3, isPlayer: false, isCurrentTurn: false, isKilled: false, hp: 20, initialHP: 20, mapPosition: { x: 29, y: 15, useGridCoordinates: true }, tokenFootprint: 1 },
  ],
  showCurrentPlayer: true,
  aoeMarkers: [{ id: "m1", shape: "circle", sizeInFeet: 10, color: "#00ff00", position: { x: 4, y: 3 }, useGridCoordinates: true, rotation: 0, opacity: 1, label: "", revealed: true },
    { id: "m2", shape: "square", sizeInFeet: 10, color: "#ffffff", position: { x: 4, y: 14 }, useGridCoordinates: true, rotation: 0, opacity: 1, label: "hidden-trap", revealed: false }],
  fogOfWar: [{ id: "f1", points: [{ x: 26, y: 12 }, { x: 32, y: 12 }, { x: 32, y: 18 }, { x: 26, y: 18 }], useGridCoordinates: true, color: "#000000", opacity: 1 }],
  encounterHistory: [], gm_notes: "the floor is a mimic",
};
/** What no player's and no screen's browser may ever get. (Lurker's name is known to all, its place is not.) */
export const SECRETS = ["secret-lair", "hidden-trap", "mimic", '"x":29'];

/**
 * A server, a browser, and the GM: a page that has nothing but the protocol's client.
 *
 * @param {import("node:test").TestContext} t
 * @param {string[]} [flags]
 */
export async function startTable(t, flags = []) {
  // Nobody is the GM for being on this machine: those who come are what they would be on a network.
  const server = await startServer(t, ["--loopback-gm", "false", "--gm-password", PASSWORD, ...flags]);
  // Whether somebody has touched a page is what tests say of it, not whether one of their steps came before a sound.
  const browser = await startBrowser(t, ["--autoplay-policy=no-user-gesture-required"]);
  const { page } = await openPage(await browser.createBrowserContext());
  await page.goto(`${server.base}/ui/icon.svg`);
  await page.evaluate(async (colors, password) => {
    await fetch("/signin", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ password }) });
    const { Live } = await import("/ui/live.js");
    globalThis.hints = [];
    globalThis.live = new Live({ name: "Gary", role: "gm" });
    live.addEventListener("hint", ({ detail }) => hints.push(detail));
    await new Promise((resolve) => {
      live.addEventListener("status", ({ detail }) => detail === "live" && resolve());
      live.connect();
    });
    for (const name of ["hall.png", "secret-lair.png"]) {
      const canvas = new OffscreenCanvas(320, 180);
      const pen = canvas.getContext("2d");
      pen.fillStyle = `rgb(${colors.red})`;
      pen.fillRect(0, 0, 160, 180);
      pen.fillStyle = `rgb(${colors.blue})`;
      pen.fillRect(160, 0, 160, 180);
      const form = new FormData();
      form.append("file", new File([await canvas.convertToBlob({ type: "image/png" })], name));
      const answer = await fetch("/maps/upload", { method: "POST", body: form });
      if (!answer.ok) throw new Error(await answer.text());
    }
  }, COLORS, PASSWORD);
  const act = (work, ...given) => page.evaluate(work, ...given);
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given);
  /** The server's answer to the GM. */
  const rest = (method, path, body) => act(async (method, path, body) => {
    const answer = await fetch(path, { method, ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }) });
    return { status: answer.status, body: await answer.json() };
  }, method, path, body);
  const gm = {
    page, act, until, rest,
    show: (scene) => act((scene) => live.changeScene(scene), scene),
    change: (...edits) => act((edits) => live.change(edits), edits),
    member: async (name) => {
      await until((name) => live.state.members.some((member) => member.name === name), name);
      return act((name) => live.state.members.find((member) => member.name === name), name);
    },
    code: async () => (await rest("GET", "/tables")).body.tables[0].code,
    pair: (number) => rest("PUT", "/tables/main/pair", { number }),
  };
  return { server, browser, gm };
}

/**
 * A page somebody else looks at, in a window of its own. Everything that it receives is kept.
 *
 * @param {import("puppeteer-core").Browser} browser
 * @param {import("puppeteer-core").Viewport} viewport
 */
export async function openGuest(browser, viewport) {
  const { page, problems } = await openPage(await browser.createBrowserContext());
  await page.setViewport(viewport);
  /** @type {string[]} */
  const received = [];
  const network = await page.createCDPSession();
  await network.send("Network.enable");
  network.on("Network.webSocketFrameReceived", ({ response }) => received.push(response.payloadData));
  page.on("request", (request) => received.push(request.url()));
  page.on("response", async (response) => {
    const type = response.headers()["content-type"] ?? "";
    if (type.startsWith("application/json")) received.push(await response.text().catch(() => ""));
  });
  return { page, problems, received, ...lookAt(page) };
}

/**
 * Ways to wait for what a page shows.
 *
 * @param {import("puppeteer-core").Page} page
 */
export function lookAt(page) {
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
    throw new Error(`waited in vain for ${test} ${JSON.stringify(given)}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
  });
  /** Waits until the page says something. */
  const says = (selector, words) => until((selector, words) =>
    [...document.querySelectorAll(selector)].some((element) => element.checkVisibility() && element.textContent.includes(words)), selector, words);
  const isDrawn = (isOfScene) => async (...points) => until(async (points, isOfScene) => {
    const stage = document.querySelector("table-stage");
    const canvases = stage ? [...stage.querySelectorAll("canvas")] : [];
    if (canvases.length === 0 || !stage.isComplete) return false;
    const ratio = canvases[0].width / stage.clientWidth;
    const { left, top } = stage.getBoundingClientRect();
    const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    return points.every(([x, y, color]) => {
      const at = isOfScene ? stage.camera.toScreen({ x, y }) : { x: x - left, y: y - top };
      dot.fillRect(0, 0, 1, 1);
      for (const canvas of canvases) dot.drawImage(canvas, -Math.round(at.x * ratio), -Math.round(at.y * ratio));
      const there = dot.getImageData(0, 0, 1, 1).data;
      return color.every((value, i) => Math.abs(value - there[i]) <= 12);
    });
  }, points, isOfScene);
  /** Waits until what is drawn at places of the page has these colours, `[x, y, color][]`. */
  const shows = isDrawn(false);
  /** The same at places of the scene. */
  const sees = isDrawn(true);
  /** Where a point of the scene is on the page. */
  const placeOf = (x, y) => page.evaluate((x, y) => {
    const stage = document.querySelector("table-stage");
    const { left, top } = stage.getBoundingClientRect();
    const at = stage.camera.toScreen({ x, y });
    return { x: at.x + left, y: at.y + top };
  }, x, y);
  return { until, says, shows, sees, placeOf };
}

/** Waits for the number that a screen shows. */
export async function numberOf({ page, until }) {
  await until(() => /^\d{6}$/.test(document.querySelector(".display-number")?.textContent ?? ""));
  return page.$eval(".display-number", (number) => number.textContent);
}

/** Shows a page in the colours of a scheme at once: without motion no colour is between two. */
export async function wear(page, scheme) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
}

/** Everything that axe finds wrong on a page as it is. */
export async function faultsOf(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join(" | ")}`);
}

/**
 * Bytes that come over the network while a page opens, files of maps not counted, and how long it took.
 *
 * @param {import("puppeteer-core").Page} page
 * @param {string} url
 */
export async function weigh(page, url) {
  const network = await page.createCDPSession();
  await network.send("Network.enable");
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  network.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await page.goto(url, { waitUntil: "networkidle0" });
  await network.detach();
  return bytes;
}

/** Nothing secret is in anything that came. */
export function assertNothingSecret(received, secrets = SECRETS) {
  assert.ok(received.length > 3, "something came");
  for (const secret of secrets) assert.ok(!received.some((text) => text.includes(secret)), `${secret} reached the page`);
}
