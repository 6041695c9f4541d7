// The start page: libraries, uploads, sounds.

import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { ask, DEMO, openPage, startBrowser, startServer, until } from "./server.mjs";

/**
 * Drops files on an element, as the file manager would. A file is made in the page: a picture of
 * its own, or the given bytes.
 *
 * @param {import("puppeteer-core").Page} page
 * @param {string} selector
 * @param {{ name: string, type: string, text?: string, base64?: string }[]} files
 */
async function drop(page, selector, files) {
  await page.waitForSelector(`${selector} .tools:not([hidden])`);
  await page.$eval(selector, async (area, files) => {
    const transfer = new DataTransfer();
    for (const { name, type, text, base64 } of files) {
      let bytes = text;
      if (base64 !== undefined) bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      if (bytes === undefined) {
        const canvas = new OffscreenCanvas(64, 48);
        const pen = canvas.getContext("2d");
        pen.fillStyle = "teal";
        pen.fillRect(8, 8, 40, 30);
        bytes = await canvas.convertToBlob({ type: "image/png" });
      }
      transfer.items.add(new File([bytes], name, { type }));
    }
    const fire = (type) => area.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    fire("dragenter");
    const shown = area.classList.contains("dragged-over");
    fire("dragover");
    fire("drop");
    if (!shown || area.classList.contains("dragged-over")) throw new Error("the area does not show that it takes the files");
  }, files);
}

/** @param {import("puppeteer-core").Page} page */
const cards = (page) => page.$$eval("#maps map-library .card-name", (names) => names.map((name) => name.textContent));

/**
 * Waits until an element with this text is there, and returns its text.
 *
 * @param {import("puppeteer-core").Page} page
 * @param {string} selector
 * @param {string} text
 */
async function waitForText(page, selector, text) {
  await page.waitForFunction((selector, text) =>
    [...document.querySelectorAll(selector)].some((element) => element.textContent.includes(text)), {}, selector, text);
}

test("dropped maps show their progress, are listed, and can be renamed and deleted", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await waitForText(page, "#maps map-library .empty", "No maps yet");

  await page.evaluate(() => {
    globalThis.phases = [];
    const look = () => {
      for (const job of document.querySelectorAll("upload-dock .job")) {
        globalThis.phases.push(`${job.dataset.phase} ${job.querySelector("progress").value > 0}`);
      }
    };
    new MutationObserver(look).observe(document.querySelector("upload-dock"), { subtree: true, childList: true, attributes: true, characterData: true });
  });
  const crypt = await readFile(path.join(DEMO, "maps/crypt.jpg"), "base64");
  await drop(page, "#maps map-library", [
    { name: "cave ä #1.png", type: "image/png" },
    { name: "crypt.jpg", type: "image/jpeg", base64: crypt },
  ]);
  await page.waitForFunction(() => document.querySelectorAll("#maps map-library .card").length === 2);
  await page.waitForFunction(() => document.querySelectorAll('upload-dock .job[data-phase="stored"]').length === 2);
  assert.deepEqual((await cards(page)).sort(), ["cave ä #1.png", "crypt.jpg"]);
  const phases = await page.evaluate(() => globalThis.phases);
  assert.ok(phases.includes("sending true") || phases.includes("storing true"), `progress was shown: ${phases}`);
  await page.waitForFunction(() => [...document.querySelectorAll("#maps map-library .card img")].every((img) => img.complete && img.naturalWidth > 0));
  const stored = await readFile(path.join(server.data, "maps/crypt.jpg"), "base64");
  assert.equal(stored, crypt, "the bytes are the same");

  await page.click('[aria-label="Rename cave ä #1.png"]');
  await page.waitForSelector("dialog[open] input");
  // A name that the server refuses is said beside it, and can be changed on.
  await page.keyboard.type("crypt");
  await page.$eval("dialog[open] input", (input) => { input.value = "crypt.jpg"; });
  await page.keyboard.press("Enter");
  await waitForText(page, 'dialog[open] [role="alert"]', "already exists");
  assert.equal(await page.evaluate(() => document.activeElement.matches("dialog[open] input") && document.activeElement.value), "crypt.jpg");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { hidden: true });
  await page.click('[aria-label="Rename cave ä #1.png"]');
  await page.waitForSelector("dialog[open] input");
  // Only the stem is selected, so typing keeps the extension.
  await page.keyboard.type("grotto");
  await page.keyboard.press("Enter");
  await waitForText(page, "#maps map-library .card-name", "grotto.png");
  assert.deepEqual((await cards(page)).sort(), ["crypt.jpg", "grotto.png"]);

  await page.click('[aria-label="Delete grotto.png"]');
  await page.waitForSelector("dialog[open] .danger");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { hidden: true });
  assert.equal((await cards(page)).length, 2, "thinking better of it deletes nothing");
  await page.click('[aria-label="Delete grotto.png"]');
  await (await page.waitForSelector("dialog[open] .danger")).click();
  await page.waitForFunction(() => document.querySelectorAll("#maps map-library .card").length === 1);
  await waitForText(page, "status-line", "grotto.png is deleted");
  const { maps } = (await ask(`${server.base}/maps/list`)).body;
  assert.deepEqual(maps, [{ name: "crypt.jpg", folder: null }]);
  // But for the name that was refused.
  assert.deepEqual(problems.filter((words) => !words.includes("409")), []);
});

test("a bad file shows the server's sentence, and the good one beside it is stored", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await drop(page, "#maps map-library", [
    { name: "notes.png", type: "image/png", text: "milk, bread, 3 torches" },
    { name: "good.png", type: "image/png" },
  ]);
  const row = await page.waitForSelector('upload-dock .job[data-phase="failed"]');
  const shown = await row.$eval(".job-words", (words) => words.textContent);

  const form = new FormData();
  form.append("file", new File(["milk, bread, 3 torches"], "notes.png", { type: "image/png" }));
  const answer = await ask(`${server.base}/maps/upload`, { method: "POST", body: form });
  assert.equal(answer.status, 415);
  assert.equal(shown.toLowerCase(), answer.body.detail.toLowerCase());

  await waitForText(page, "#maps map-library .card-name", "good.png");
  assert.deepEqual(await cards(page), ["good.png"]);
  // The browser itself reports the 415; anything else would be the page's fault.
  assert.deepEqual(problems.filter((problem) => !problem.includes("415")), []);
});

test("a map goes into the folder that was made for it, and is shown large", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await page.waitForSelector("#maps map-library .tools:not([hidden])");
  await page.select("#maps map-library folder-choice select", "\n");
  await page.waitForSelector("dialog[open] input");
  await page.keyboard.type("dungeons/level 1");
  await page.keyboard.press("Enter");
  await waitForText(page, "status-line", "dungeons/level 1");
  await drop(page, "#maps map-library", [{ name: "cave.png", type: "image/png" }]);
  await page.waitForSelector("#maps map-library .card");
  const { maps } = (await ask(`${server.base}/maps/list`)).body;
  assert.deepEqual(maps, [{ name: "cave.png", folder: "dungeons/level 1" }]);

  await page.click("#maps map-library .card-open");
  await page.waitForFunction(() => document.querySelector("dialog.viewer img")?.naturalWidth === 64);
  await waitForText(page, "dialog.viewer", "64 × 48 pixels");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog.viewer", { hidden: true });
  assert.deepEqual(problems, []);
});

test("a list that is older than a new folder does not take the choice away", async (t) => {
  const server = await startServer(t);
  const { page } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await page.waitForSelector("#maps map-library .tools:not([hidden])");
  await page.evaluate(() => {
    const choice = document.createElement("folder-choice");
    Object.assign(choice, { id: "choice", make: async () => {}, made: async () => { choice.folders = ["caves"]; } });
    document.querySelector("main").append(choice);
  });
  await page.select("#choice select", "\n");
  await page.waitForSelector("dialog[open] input");
  await page.keyboard.type("woods");
  await page.keyboard.press("Enter");
  await waitForText(page, "status-line", "woods");
  const after = (folders) => page.$eval("#choice", (choice, folders) => {
    if (folders) choice.folders = folders;
    return choice.value;
  }, folders);
  assert.equal(await after(null), "woods");
  assert.equal(await after(["caves", "woods"]), "woods");
  assert.equal(await after(["caves"]), "");
});

test("an upload that is cancelled leaves nothing behind", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  const throttle = await page.createCDPSession();
  await throttle.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 200_000 });
  await drop(page, "#maps map-library", [{ name: "crypt.jpg", type: "image/jpeg", base64: await readFile(path.join(DEMO, "maps/crypt.jpg"), "base64") }]);
  await (await page.waitForSelector('[aria-label="Cancel the upload of crypt.jpg"]')).click();
  await page.waitForSelector('upload-dock .job[data-phase="cancelled"]');
  await throttle.detach();
  const { maps } = (await ask(`${server.base}/maps/list`)).body;
  assert.deepEqual(maps, []);
  assert.deepEqual(problems, []);
});

test("sounds are uploaded, play, pause, seek, and are deleted", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t, ["--autoplay-policy=no-user-gesture-required"]);
  const { page, problems } = await openPage(browser);
  await page.goto(`${server.base}/#sounds`);
  const file = async (name) => ({ name: path.basename(name), type: "audio/ogg", base64: await readFile(path.join(DEMO, "sounds", name), "base64") });
  await drop(page, "sound-library", [await file("loop/Ambience/crypt-drips.ogg"), await file("loop/Ambience/forest-day.ogg")]);
  await page.waitForFunction(() => document.querySelectorAll("li.sound").length === 2);
  const lengths = await page.$$eval(".sound-length", (all) => all.map((one) => one.textContent));
  assert.deepEqual(lengths, ["00:36", "00:40"]);

  await page.click('[aria-label="Play Crypt Drips"]');
  await page.waitForFunction(() => document.querySelector("audio").currentTime > 0.2);
  assert.equal(await page.$eval("audio", (audio) => Math.round(audio.duration)), 36);
  // What plays on would pass the place that is looked for.
  await (await page.waitForSelector('[aria-label="Pause Crypt Drips"]')).click();
  await page.waitForSelector('[aria-label="Play Crypt Drips"]');
  await page.$eval("sound-player .seek", (seek) => {
    seek.value = "30";
    seek.dispatchEvent(new Event("input"));
    seek.dispatchEvent(new Event("change"));
  });
  await waitForText(page, "sound-player .player-time", "00:30");
  await page.click('[aria-label="Play Crypt Drips"]');
  await page.waitForFunction(() => {
    const { paused, seeking, currentTime } = document.querySelector("audio");
    return !paused && !seeking && currentTime !== 30;
  });

  await page.click('[aria-label="Play Forest Day"]');
  await page.waitForFunction(() => decodeURIComponent(document.querySelector("audio").currentSrc).endsWith("forest-day.ogg"));
  await (await page.waitForSelector('[aria-label="Pause Forest Day"]')).click();
  await page.waitForSelector('[aria-label="Play Forest Day"]');
  assert.equal(await page.$$eval("audio", (all) => all.length), 1, "one player for all");

  await page.click('[aria-label="Delete Forest Day"]');
  await (await page.waitForSelector("dialog[open] .danger")).click();
  await page.waitForFunction(() => document.querySelectorAll("li.sound").length === 1);
  assert.deepEqual(problems, []);
});

test("a map that is put into the folder by hand is there after a reload", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await waitForText(page, "#maps map-library .empty", "No maps yet");
  await mkdir(path.join(server.data, "maps/wilds"));
  await copyFile(path.join(DEMO, "maps/wilds/forest-road.jpg"), path.join(server.data, "maps/wilds/forest-road.jpg"));
  await until("the map in the list", async () => {
    const { maps } = (await ask(`${server.base}/maps/list`)).body;
    return maps.some((map) => map.name === "forest-road.jpg" && map.folder === "wilds");
  });
  await page.reload();
  await waitForText(page, "#maps map-library .card-name", "forest-road.jpg");
  await page.waitForFunction(() => document.querySelector("#maps map-library .card img").naturalWidth > 0);
  assert.deepEqual(problems, []);
});

test("a scene shows its map, its size, and goes when deleted", async (t) => {
  const server = await startServer(t);
  await copyFile(path.join(DEMO, "maps/crypt.jpg"), path.join(server.data, "maps/crypt.jpg"));
  const scene = {
    id: "1", name: "The <b>Crypt</b>", maps: [{ name: "crypt.jpg", data: {} }], activeMapId: "crypt.jpg",
    initiativeOrder: [{ id: "a", name: "Brenna" }, { id: "b", name: "Tamsin" }],
  };
  await writeFile(path.join(server.data, "scenes/8d2f4c7e-1b0a-4e5f-9c3d-2a6b7c8d9e0f.json"), JSON.stringify({ ...scene, id: "8d2f4c7e-1b0a-4e5f-9c3d-2a6b7c8d9e0f" }));
  await until("map and scene in the lists", async () => {
    const [{ maps }, { scenes }] = await Promise.all(["maps", "scenes"].map(async (kind) => (await ask(`${server.base}/${kind}/list`)).body));
    return maps.length === 1 && scenes.length === 1;
  });
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#scenes`);
  await waitForText(page, ".scene h4", "The <b>Crypt</b>");
  const facts = await page.$$eval(".scene dd", (all) => all.map((one) => one.textContent));
  assert.deepEqual(facts, ["crypt.jpg", "1", "2 entries"]);
  await page.waitForFunction(() => document.querySelector(".scene img").naturalWidth > 0);
  await page.click('#scenes [aria-label^="Delete"]');
  await (await page.waitForSelector("dialog[open] .danger")).click();
  await waitForText(page, "#scenes scene-library .empty", "No scenes yet");
  assert.deepEqual(problems, []);
});

test("who is not the GM reads why, and still gets the sounds", async (t) => {
  const server = await startServer(t);
  await copyFile(path.join(DEMO, "sounds/oneshot/Doors/heavy-door.ogg"), path.join(server.data, "sounds/oneshot/heavy-door.ogg"));
  const { page } = await openPage(await startBrowser(t));
  // What a proxy adds: its visitors do not sit at this machine.
  await page.setExtraHTTPHeaders({ "x-forwarded-for": "203.0.113.7" });
  await until("the sound in the list", async () => {
    const sounds = (await ask(`${server.base}/audio/list`)).body;
    return sounds.oneshot[""]?.length === 1;
  });
  const { detail } = (await ask(`${server.base}/maps/list`, { headers: { "x-forwarded-for": "203.0.113.7" } })).body;
  await page.goto(server.base);
  await waitForText(page, "server-status .notice", "You are visiting as a player");
  const shown = await page.$eval(".refusal", (refusal) => refusal.textContent);
  assert.equal(shown.toLowerCase(), detail.toLowerCase());
  assert.equal(await page.$eval(".refusal", (refusal) => refusal.checkVisibility({ contentVisibilityAuto: true })), false, "players need not read how to be the GM");
  await page.waitForSelector('#sounds:not([hidden]) [aria-label="Play Heavy Door"]');
  assert.equal(await page.$$eval('[aria-label^="Delete"]', (all) => all.length), 0);
  assert.equal(await page.$eval("sound-library .tools", (tools) => tools.hidden), true);
});

test("a wrong password is said in the dialog and can be mended there; who signs in as the GM lands at the table", async (t) => {
  const server = await startServer(t, ["--loopback-gm", "false", "--gm-password", "four dragons and a bard"]);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(server.base);
  await page.waitForSelector("#sounds:not([hidden])");
  await page.$$eval(".notice button", (all) => all.find((one) => one.textContent === "Sign in as the GM").click());
  await page.waitForSelector("dialog[open] input");
  await page.keyboard.type("four dragons and a bar");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector('dialog[open] [role="alert"]').textContent !== "");
  const field = await page.evaluate(() => [document.activeElement.matches("dialog[open] input"), document.activeElement.value]);
  assert.deepEqual(field, [true, "four dragons and a bar"]);
  await page.keyboard.press("End");
  await page.keyboard.type("d");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  await page.waitForSelector("#table:not([hidden]) gm-console");
  assert.equal(await page.$eval("#tab-table", (tab) => tab.getAttribute("aria-selected")), "true");
  // But for what a visitor and a wrong password are refused.
  assert.deepEqual(problems.filter((words) => !/ 40[13] /.test(words)), []);
});

test("who must join the table first reads that, where the sounds would be", async (t) => {
  const server = await startServer(t, ["--players", "code"]);
  const { page } = await openPage(await startBrowser(t));
  await page.setExtraHTTPHeaders({ "x-forwarded-for": "203.0.113.7" });
  await page.goto(server.base);
  await waitForText(page, "#sounds:not([hidden]) sound-library .empty", "joins it with its code");
  assert.equal(await page.$eval("sound-library .tools", (tools) => tools.hidden), true);
});

test("the libraries are reached and changed by keyboard alone", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/#maps`);
  await page.focus("#tab-maps");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector("#scenes:not([hidden])");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-scenes");
  await page.keyboard.press("End");
  await page.waitForSelector("#sounds:not([hidden])");
  assert.equal(await page.$eval("#maps", (maps) => maps.hidden), true);
  const names = await page.$$eval("button, input:not([aria-hidden]), select, a", (all) =>
    all.filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label")?.textContent.trim())).map((one) => one.outerHTML));
  assert.deepEqual(names, [], "every control has a name");
  assert.deepEqual(problems, []);
});
