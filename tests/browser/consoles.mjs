// The GM's console as tests use it.

import { openPage } from "./server.mjs";
import { POLL, numberOf, openGuest } from "./tables.mjs";

const LARGE = { width: 1400, height: 900 };

/** The console in the window of the GM who is signed in, and a way to ask what it shows. */
export async function openConsole(gm) {
  const { page, problems } = await openPage(gm.page.browserContext());
  await page.setViewport(LARGE);
  await page.goto(new URL("/", gm.page.url()).href);
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
    throw new Error(`waited in vain for ${test} ${JSON.stringify(given)}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
  });
  await until(() => document.querySelector(".console-state")?.textContent === "Live");
  /** Where a point of the scene is on the page. */
  const placeOf = (x, y) => page.evaluate((x, y) => {
    const stage = document.querySelector("table-stage");
    const { left, top } = stage.getBoundingClientRect();
    const at = stage.camera.toScreen({ x, y });
    return { x: at.x + left, y: at.y + top };
  }, x, y);
  /** Drags from a point of the scene to another, and does `onTheWay` before letting go. */
  const drag = async (from, to, onTheWay = async () => {}) => {
    const [a, b] = [await placeOf(...from), await placeOf(...to)];
    await page.mouse.move(a.x, a.y);
    await page.mouse.down();
    await page.mouse.move((a.x + b.x) / 2, (a.y + b.y) / 2, { steps: 4 });
    await page.mouse.move(b.x, b.y, { steps: 4 });
    await onTheWay();
    await page.mouse.up();
  };
  const press = (text, within = "gm-console") => page.evaluate((text, within) => {
    const button = [...document.querySelectorAll(`${within} button`)].find((one) => one.checkVisibility() && (one.textContent.trim() === text || one.getAttribute("aria-label") === text));
    if (!button) throw new Error(`no button ${text}`);
    button.click();
  }, text, within);
  return { page, problems, until, placeOf, drag, press };
}

/** A screen that has been let in by the protocol. */
export async function openScreen(browser, server, gm) {
  const screen = await openGuest(browser, { width: 1600, height: 900 });
  await screen.page.goto(`${server.base}/display`);
  await gm.pair(await numberOf(screen));
  return screen;
}
