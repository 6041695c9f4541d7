// The browsers that the first path is walked in, each with the few things that are done otherwise in it.

import { openPage, startBrowser, startFirefox } from "./server.mjs";

/**
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {{ name: string, path: string, type: string, body: Buffer }} Dropped a file, also on the disk at `path`
 * @typedef {object} Walked a browser that runs
 * @property {() => Promise<{ page: Page, problems: string[] }>} open a page in a window of its own, as of somebody else
 * @property {(page: Page, selector: string, files: Dropped[]) => Promise<void>} drop drags files from the desktop onto an element
 */

/** What the browsers take for this machine: a way in for others where there is no network. */
export const NAME = "table.test";

/** @type {Record<string, (t: import("node:test").TestContext) => Promise<Walked>>} */
export const BROWSERS = {
  async Chromium(t) {
    const browser = await startBrowser(t, [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`]);
    return { open: async () => openPage(await browser.createBrowserContext()), drop: dropByDevtools };
  },
  async Firefox(t) {
    const browser = await startFirefox(t, { "network.dns.localDomains": NAME });
    // Several tabs of one window would be behind each other, and a page behind draws nothing.
    return { open: async () => openPage(await browser.createBrowserContext(), { type: "window" }), drop: dropByScript };
  },
};

/** @type {Walked["drop"]} */
async function dropByDevtools(page, selector, files) {
  const { x, y } = await middleOf(page, selector);
  const devtools = await page.createCDPSession();
  const data = { items: [], files: files.map(({ path }) => path), dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", { type, x, y, data });
  await devtools.detach();
}

/** WebDriver has no hand that comes from outside the page. @type {Walked["drop"]} */
async function dropByScript(page, selector, files) {
  const { x, y } = await middleOf(page, selector);
  await page.evaluate((x, y, files) => {
    const dataTransfer = new DataTransfer();
    for (const { name, type, base64 } of files) {
      dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type }));
    }
    const target = document.elementFromPoint(x, y);
    for (const kind of ["dragenter", "dragover", "drop"]) {
      target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, clientX: x, clientY: y, dataTransfer }));
    }
  }, x, y, files.map(({ name, type, body }) => ({ name, type, base64: body.toString("base64") })));
}

/** @param {Page} page @param {string} selector */
const middleOf = (page, selector) => page.$eval(selector, (element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return { x: left + width / 2, y: Math.min(top + height / 2, innerHeight - 20) };
});
