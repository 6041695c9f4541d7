// Sounds on a page of another origin, through Web Audio.

import assert from "node:assert/strict";
import { copyFile, mkdir, open } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { ask, DEMO, openPage, startBrowser, startPages, startServer, until } from "./server.mjs";

/** @param {import("node:test").TestContext} t */
async function startBoard(t, prepare) {
  const server = await startServer(t);
  await prepare(path.join(server.data, "sounds"));
  const url = await until("the sound in the list", async () => {
    const { loop } = (await ask(`${server.base}/audio/list`)).body;
    return Object.values(loop)[0]?.[0]?.url;
  });
  const pages = await startPages(t);
  const browser = await startBrowser(t, ["--autoplay-policy=no-user-gesture-required"]);
  const { page, problems } = await openPage(browser);
  await page.goto(`${pages}/sound.html?api=${encodeURIComponent(server.origin)}`);
  return { page, problems, url };
}

/** Writes an hour of a low tone: 8 kHz, one channel, 8 bits. */
async function writeHour(file) {
  const rate = 8000;
  const length = 3600 * rate;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(length, 40);
  const minute = Buffer.from({ length: 60 * rate }, (_, at) => 128 + Math.round(60 * Math.sin((2 * Math.PI * 220 * at) / rate)));
  const out = await open(file, "w");
  try {
    await out.write(head);
    for (let i = 0; i < 60; i += 1) await out.write(minute);
  } finally {
    await out.close();
  }
}

test("an hour of sound tells its length, and plays from minute 45", async (t) => {
  const { page, problems, url } = await startBoard(t, (sounds) => writeHour(path.join(sounds, "loop/hour.wav")));
  assert.equal(url, "/audio/file/loop/hour.wav");
  const length = await page.evaluate((url) => board.load(url), url);
  assert.ok(Math.abs(length - 3600) < 0.5, `${length} s`);
  const at = await page.evaluate(() => board.seek(2700));
  assert.ok(Math.abs(at - 2700) < 0.5, `${at} s`);
  await page.evaluate(() => board.audio.play());
  await page.waitForFunction(() => board.audio.currentTime > 2700.2 && board.isHeard());
  assert.equal(await page.evaluate(() => board.context.state), "running");
  const back = await page.evaluate(() => board.seek(60));
  assert.ok(Math.abs(back - 60) < 1, `${back} s`);
  assert.deepEqual(problems, []);
});

test("an ogg file plays through Web Audio on a page of another origin", async (t) => {
  const { page, problems, url } = await startBoard(t, async (sounds) => {
    await mkdir(path.join(sounds, "loop/Tavern Night #2"));
    await copyFile(path.join(DEMO, "sounds/loop/Ambience/forest-day.ogg"), path.join(sounds, "loop/Tavern Night #2/forest day.ogg"));
  });
  assert.equal(url, "/audio/file/loop/Tavern Night %232/forest day.ogg", "only what an address cannot hold is encoded");
  const length = await page.evaluate((url) => board.load(url), url);
  assert.ok(Math.abs(length - 40) < 0.5, `${length} s`);
  await page.evaluate(() => board.audio.play());
  await page.waitForFunction(() => board.audio.currentTime > 0.2 && board.isHeard());
  const at = await page.evaluate(() => board.seek(25));
  assert.ok(at >= 25 && at < 26, `${at} s`);
  await page.waitForFunction(() => board.audio.currentTime > 25.2 && board.isHeard());
  assert.deepEqual(problems, []);
});
