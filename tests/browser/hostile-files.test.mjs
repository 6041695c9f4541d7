// Files that carry script: opened by themselves, they must not run it as pages of the server.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { ask, openPage, startBrowser, startPages, startServer, until } from "./server.mjs";

const SCRIPT = 'globalThis.ran = true; document.documentElement.setAttribute("data-ran", "yes"); fetch("/health?ran")';
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30" onload='${SCRIPT}'>
  <rect width="40" height="30" fill="teal"/>
  <script>${SCRIPT}</script>
  <foreignObject width="40" height="30"><body xmlns="http://www.w3.org/1999/xhtml"><script>${SCRIPT}</script></body></foreignObject>
</svg>`;
const HTML = `<!doctype html><html><head><title>innocent</title><script>${SCRIPT}</script></head><body onload='${SCRIPT}'>hello</body></html>`;

/**
 * Opens an address by itself, and tells what the document there could do.
 *
 * @param {import("puppeteer-core").Browser} browser
 * @param {string} url
 */
async function visit(browser, url) {
  const { page } = await openPage(browser);
  /** @type {string[]} */
  const called = [];
  page.on("request", (request) => {
    if (request.url().includes("ran")) called.push(request.url());
  });
  const answered = page.waitForResponse(url);
  // A file that is offered for saving ends the navigation; the page then stays where it was.
  const opened = await page.goto(url, { waitUntil: "load" }).then(() => true, () => false);
  const headers = (await answered).headers();
  const found = await page.evaluate(() => {
    const may = (work) => {
      try {
        work();
        return true;
      } catch {
        return false;
      }
    };
    return {
      ran: globalThis.ran === true || document.documentElement.hasAttribute("data-ran"),
      origin: globalThis.origin,
      storage: may(() => localStorage.length),
      cookies: may(() => document.cookie),
    };
  });
  await page.close();
  return { opened, headers, called, ...found };
}

/** @param {string} base @param {string} name @param {string} type @param {string} text */
function upload(base, name, type, text) {
  const body = new FormData();
  body.append("file", new File([text], name, { type }));
  return ask(`${base}/maps/upload`, { method: "POST", body });
}

test("the script in these files does run where nothing stops it", async (t) => {
  const pages = await startPages(t, {
    "evil.svg": { type: "image/svg+xml", body: SVG },
    "evil.html": { type: "text/html", body: HTML },
  });
  const browser = await startBrowser(t);
  for (const name of ["evil.svg", "evil.html"]) {
    const { ran, called, origin } = await visit(browser, `${pages}/${name}`);
    assert.equal(ran, true, name);
    assert.ok(called.length > 0, name);
    assert.equal(origin, pages);
  }
});

test("an uploaded SVG with script is shown, but runs nothing and belongs to no origin", async (t) => {
  const server = await startServer(t);
  const sent = await upload(server.base, "evil.svg", "image/svg+xml", SVG);
  assert.deepEqual(sent, { status: 200, body: { filename: "evil.svg", folder: "" } });
  const browser = await startBrowser(t);
  const seen = await visit(browser, `${server.base}/maps/file/evil.svg`);
  assert.match(seen.headers["content-security-policy"], /(^|;)\s*sandbox\s*(;|$)/);
  assert.equal(seen.headers["x-content-type-options"], "nosniff");
  assert.equal(seen.opened, true);
  assert.equal(seen.ran, false);
  assert.deepEqual(seen.called, []);
  assert.equal(seen.origin, "null");
  assert.deepEqual([seen.storage, seen.cookies], [false, false]);

  const { page, problems } = await openPage(browser);
  await page.goto(`${server.base}/#maps`);
  await page.waitForFunction(() => document.querySelector("map-library .card img")?.naturalWidth === 40);
  assert.deepEqual(problems, [], "as a picture it is fine");
});

test("HTML that calls itself a picture is not taken", async (t) => {
  const server = await startServer(t);
  for (const [name, type] of [["page.svg", "image/svg+xml"], ["page.png", "image/png"], ["page.html", "text/html"]]) {
    const { status, body } = await upload(server.base, name, type, HTML);
    assert.ok(status === 415 || status === 400, `${name}: ${status}`);
    assert.equal(typeof body.detail, "string");
  }
  assert.deepEqual((await ask(`${server.base}/maps/list`)).body, { maps: [] });
});

test("HTML that somebody put into the maps as a picture runs nothing", async (t) => {
  const server = await startServer(t);
  const names = ["page.svg", "page.png", "page.html"];
  for (const name of names) await writeFile(path.join(server.data, "maps", name), HTML);
  await upload(server.base, "last.svg", "image/svg+xml", SVG);
  await until("the library to have looked at the folder", async () => {
    const { maps } = (await ask(`${server.base}/maps/list`)).body;
    return maps.some((map) => map.name === "last.svg");
  });
  const browser = await startBrowser(t);
  for (const name of names) {
    const seen = await visit(browser, `${server.base}/maps/file/${name}`);
    assert.equal(seen.ran, false, name);
    assert.deepEqual(seen.called, [], name);
    assert.notEqual(seen.headers["content-type"]?.split(";")[0], "text/html", name);
  }
});
