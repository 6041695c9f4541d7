// How many frames a second the GM's page and the screen in the room draw while a token is dragged over five maps of
// 3840 × 2160 pixels with 60 tokens on them. Not a test: it prints figures.

import { openConsole, openScreen } from "./consoles.mjs";
import { measure, quantile } from "./measuring.mjs";
import { SCENE, startTable } from "./tables.mjs";

const MAPS = 5;
const TOKENS = 60;
/** How long is dragged, in milliseconds. */
const LONG = 5_000;
const START = { x: 125, y: 125 };

await measure(async (t) => {
  const { server, browser, gm } = await startTable(t);
  await gm.act(drawMaps, MAPS);
  const [map] = SCENE.maps;
  await gm.show({
    ...SCENE, fogOfWar: [],
    // Side by side and over each other, as a large place is laid out.
    maps: Array.from({ length: MAPS }, (_, i) => ({ ...map, name: `large-${i}.jpg`, data: { ...map.data, scale: 0.6, position: { x: [9, 23, 9, 23, 16][i], y: [5, 5, 13, 13, 9][i] } } })),
    initiativeOrder: Array.from({ length: TOKENS }, (_, i) => ({
      ...SCENE.initiativeOrder[i % 2], id: `t${i}`, name: `Token ${i}`, isCurrentTurn: i === 0,
      mapPosition: { x: 2.5 + (i % 12) * 2.4, y: 2.5 + Math.floor(i / 12) * 3, useGridCoordinates: true },
    })),
  });
  const console_ = await openConsole(gm);
  const screen = await openScreen(browser, server, gm);
  for (const { until } of [console_, screen]) await until((count) => document.querySelector("table-stage").tokens.length === count && document.querySelector("table-stage").isComplete, TOKENS);
  const place = await console_.placeOf(START.x, START.y);
  await console_.page.mouse.move(place.x, place.y);
  await console_.page.mouse.down();
  for (const { page } of [console_, screen]) await page.evaluate(countFrames);
  const end = performance.now() + LONG;
  for (let i = 0; performance.now() < end; i++) {
    const turn = i / 25;
    const next = performance.now() + 1000 / 60;
    await console_.page.mouse.move(place.x + 300 * (1 - Math.cos(turn)), place.y + 200 * (1 - Math.cos(turn * 0.7)));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
  }
  for (const [name, { page }] of [["the GM's page", console_], ["the screen", screen]]) {
    const { times, drawn } = await page.evaluate(() => globalThis.counted());
    const pauses = times.slice(1).map((time, i) => time - times[i]);
    const seconds = (times.at(-1) - times[0]) / 1000;
    console.log(`${name}: ${(pauses.length / seconds).toFixed(1)} frames a second, the table in ${(drawn.frames / seconds).toFixed(1)} of them in ${(drawn.milliseconds / drawn.frames).toFixed(1)} ms each; `
      + `between two frames p50 ${quantile(pauses, 0.5).toFixed(1)} ms, p95 ${quantile(pauses, 0.95).toFixed(1)} ms, max ${Math.max(...pauses).toFixed(1)} ms`);
  }
  await console_.page.mouse.up();
});

/** Uploads large pictures that no picture format makes small. @param {number} count */
async function drawMaps(count) {
  for (let i = 0; i < count; i++) {
    const canvas = new OffscreenCanvas(3840, 2160);
    const pen = canvas.getContext("2d");
    for (let y = 0; y < 2160; y += 40) {
      for (let x = 0; x < 3840; x += 40) {
        pen.fillStyle = `hsl(${(x * y + i * 70) % 360} 40% ${30 + (x ^ y) % 30}%)`;
        pen.fillRect(x, y, 40, 40);
      }
    }
    const form = new FormData();
    form.append("file", new File([await canvas.convertToBlob({ type: "image/jpeg" })], `large-${i}.jpg`));
    const answer = await fetch("/maps/upload", { method: "POST", body: form });
    if (!answer.ok) throw new Error(await answer.text());
  }
}

/** From now on. */
function countFrames() {
  const stage = document.querySelector("table-stage");
  const before = { ...stage.drawn };
  const times = [];
  const look = (now) => {
    times.push(now);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  globalThis.counted = () => ({ times, drawn: { frames: stage.drawn.frames - before.frames, milliseconds: stage.drawn.milliseconds - before.milliseconds } });
}
