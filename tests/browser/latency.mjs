// How long after the GM's pointer has moved the screen in the room shows the token there. Not a test: it prints figures.
//
// Both pages are in windows of one browser and draw every frame. A move counts as seen when the screen's canvas, read back at
// the beginning of a frame, has the token as far as the pointer was: it was drawn and handed to the display the frame before.

import { openConsole, openScreen } from "./consoles.mjs";
import { measure, quantile } from "./measuring.mjs";
import { SCENE, startTable } from "./tables.mjs";

/** Moves in a sweep, and how far each goes, in the scene's units. */
const MOVES = 60;
const STEP = 14;
const SWEEPS = 6;
/** A hand's moves, in milliseconds. */
const EVERY = 1000 / 60;
const START = { x: 325, y: 425 };

await measure(async (t) => {
  const { server, browser, gm } = await startTable(t);
  const brenna = { ...SCENE.initiativeOrder[0], mapPosition: { x: START.x / 50, y: START.y / 50, useGridCoordinates: true } };
  await gm.show({ ...SCENE, initiativeOrder: [brenna], aoeMarkers: [], fogOfWar: [] });
  const console_ = await openConsole(gm);
  const screen = await openScreen(browser, server, gm);
  await screen.until(() => document.querySelector("table-stage").tokens.length === 1 && document.querySelector("table-stage").isComplete);
  await console_.until(() => document.querySelector("table-stage").tokens.length === 1 && document.querySelector("table-stage").isComplete);
  await screen.page.evaluate(watchToken, START.y);
  await console_.page.evaluate(watchPointer);

  const place = await console_.placeOf(START.x, START.y);
  const zoom = await console_.page.$eval("table-stage", (stage) => stage.camera.zoom);
  await console_.page.mouse.move(place.x, place.y);
  await console_.page.mouse.down();
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let move = 1; move <= MOVES; move++) {
      const at = sweep % 2 === 0 ? move : MOVES - move;
      const next = performance.now() + EVERY;
      await console_.page.mouse.move(place.x + at * STEP * zoom, place.y);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
    // The screen comes to rest; the next sweep goes the other way.
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  await console_.page.mouse.up();
  const moves = await console_.page.evaluate(() => globalThis.moves);
  const frames = await screen.page.evaluate(() => globalThis.frames);
  report(moves, frames);
});

/** Keeps when the pointer was where, in the scene's units. */
function watchPointer() {
  globalThis.moves = [];
  addEventListener("pointermove", (event) => {
    const stage = document.querySelector("table-stage");
    const { left, top } = stage.getBoundingClientRect();
    if (event.buttons === 1) moves.push({ at: performance.timeOrigin + event.timeStamp, x: stage.camera.toScene({ x: event.clientX - left, y: event.clientY - top }).x });
  }, { capture: true });
}

/** Keeps when the token's pixels were where, in the scene's units. @param {number} y where to look */
function watchToken(y) {
  globalThis.frames = [];
  const stage = document.querySelector("table-stage");
  const [, things] = stage.querySelectorAll("canvas");
  const pen = things.getContext("2d");
  const look = () => {
    requestAnimationFrame(look);
    const at = performance.timeOrigin + performance.now();
    const ratio = things.width / stage.clientWidth;
    // Above the letter in its middle.
    const { data, width } = pen.getImageData(0, Math.round((stage.camera.toScreen({ x: 0, y }).y - 13) * ratio), things.width, 1);
    let [first, last] = [-1, -1];
    for (let i = 0; i < width; i++) {
      if (data[4 * i + 3] < 128) continue;
      if (first < 0) first = i;
      last = i;
    }
    if (first >= 0) frames.push({ at, x: stage.camera.toScene({ x: (first + last + 1) / 2 / ratio, y: 0 }).x });
  };
  requestAnimationFrame(look);
}

/** @param {{ at: number, x: number }[]} moves @param {{ at: number, x: number }[]} frames */
function report(moves, frames) {
  const waits = [];
  let unseen = 0;
  for (let i = 1; i < moves.length; i++) {
    const { at, x } = moves[i];
    const way = Math.sign(x - moves[i - 1].x);
    if (way === 0) continue;
    // Within two units: a pixel of the screen is one.
    const seen = frames.find((frame) => frame.at > at && (frame.x - x) * way > -2);
    if (seen && seen.at - at < 1000) waits.push(seen.at - at);
    else unseen += 1;
  }
  const pauses = (/** @type {{ at: number }[]} */ of) => quantile(of.slice(1).map(({ at }, i) => at - of[i].at), 0.5);
  const ms = (/** @type {number} */ value) => `${value.toFixed(1)} ms`;
  console.log(`${waits.length} moves, one every ${ms(pauses(moves))}; the screen draws every ${ms(pauses(frames))}`);
  console.log(`from the pointer to the screen: p50 ${ms(quantile(waits, 0.5))}, p95 ${ms(quantile(waits, 0.95))}, max ${ms(Math.max(...waits))}${unseen > 0 ? `; ${unseen} never` : ""}`);
}
