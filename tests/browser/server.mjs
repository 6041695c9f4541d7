// Starts what the tests need, each on a free port, and takes it all away again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** The demo table that comes with the repository. */
export const DEMO = path.resolve(HERE, "../..");
const BINARY = process.env.TABLEKEEP_BIN ?? path.join(DEMO, "target/debug/tablekeep");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
/** How long to wait for anything, in milliseconds. */
export const PATIENCE = 30_000;

/** @type {WeakMap<import("node:test").TestContext, (() => unknown)[]>} */
const undone = new WeakMap();

/**
 * Does `undo` when the test ends, the latest first; the runner's own hooks go first things first,
 * which would take the server from under the browser.
 *
 * @param {import("node:test").TestContext} t
 * @param {() => unknown} undo
 */
export function later(t, undo) {
  const stack = undone.get(t);
  if (stack) {
    stack.push(undo);
    return;
  }
  const fresh = [undo];
  undone.set(t, fresh);
  t.after(async () => {
    const failures = [];
    for (const step of fresh.reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "cleaning up failed");
  });
}

/**
 * The real binary on a free port, with its own data folder; both go when the test `t` ends.
 *
 * @param {import("node:test").TestContext} t
 * @param {string[]} [more] further flags
 * @returns {Promise<{ base: string, origin: string, data: string, restart: (signal: NodeJS.Signals, meanwhile?: () => Promise<unknown>) => Promise<void>, listener: (name: string) => Promise<string> }>}
 *   `base` by address, for the server's own pages; `origin` by name, as SpellTable's frontends call it;
 *   `restart` stops it with a signal and, after `meanwhile`, starts it again at the same address; `listener` where it listens
 *   for one system's clients (`--speak`)
 */
export async function startServer(t, more = []) {
  const home = await mkdtemp(path.join(tmpdir(), "tablekeep-test-"));
  later(t, () => rm(home, { recursive: true, force: true }));
  const data = path.join(home, "data");
  for (const folder of ["maps", "scenes", "sounds/loop", "sounds/oneshot"]) {
    await mkdir(path.join(data, folder), { recursive: true });
  }
  let run = launch(home, data, "127.0.0.1:0", more);
  later(t, async () => {
    run.child.kill();
    // A server that does not stop when asked is a fault, but it must not outlive the test.
    const hard = setTimeout(() => run.child.kill("SIGKILL"), 5000);
    await run.gone;
    clearTimeout(hard);
  });
  const base = await run.base;
  const restart = async (/** @type {NodeJS.Signals} */ signal, /** @type {() => Promise<unknown>} */ meanwhile = async () => {}) => {
    run.child.kill(signal);
    await run.gone;
    await meanwhile();
    const { host, port } = new URL(base);
    run = launch(home, data, host, more.map((flag, i) => (more[i - 1] === "--listen" ? flag.replace(/:0$/, `:${port}`) : flag)));
    await run.base;
  };
  return { base, origin: `http://localhost:${new URL(base).port}`, data, restart, listener: (name) => run.listener(name) };
}

/**
 * @param {string} home
 * @param {string} data
 * @param {string} address
 * @param {string[]} more
 */
function launch(home, data, address, more) {
  const place = more.includes("--loopback-gm") ? [] : ["--loopback-gm", "true"];
  // Beyond this machine only where a test says so.
  const listen = more.includes("--listen") ? [] : ["--listen", address];
  const flags = [...listen, "--data-dir", data, ...place, ...more];
  const child = spawn(BINARY, flags, { cwd: home, stdio: ["ignore", "pipe", "pipe"] });
  const gone = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  // A full pipe would stop the server at its next log line.
  let log = "";
  child.stderr.on("data", (text) => { log = (log + text).slice(-4000); });
  /** @type {string[]} */
  const printed = [];
  /** @type {Promise<string>} */
  const base = new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      printed.push(line);
      const said = /^listening on (http:\/\/\S+)/.exec(line);
      if (said) resolve(said[1].replace("//0.0.0.0:", "//127.0.0.1:"));
    });
    gone.then(() => reject(new Error(`the server did not start (${BINARY}): ${log}`)));
  });
  const listener = async (/** @type {string} */ name) => {
    await base;
    for (;;) {
      const found = printed.find((line) => line.startsWith(`listening (${name}) on `));
      if (found) return found.slice(found.lastIndexOf(" ") + 1);
      await once(child.stdout, "data");
    }
  };
  return { child, gone, base, listener };
}

/**
 * A browser with a profile of its own; both go when the test `t` ends.
 *
 * @param {import("node:test").TestContext} t
 * @param {string[]} [more] further switches
 */
export async function startBrowser(t, more = []) {
  const profile = await mkdtemp(path.join(tmpdir(), "tablekeep-chromium-"));
  // Its helpers may write a last file while they end.
  later(t, () => rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const browser = await puppeteer.launch({
    executablePath: CHROMIUM,
    headless: true,
    userDataDir: profile,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      // Several pages are looked at in turn; those behind must go on as if they were in front.
      "--disable-renderer-backgrounding", "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
      ...more,
    ],
  });
  const chromium = browser.process();
  later(t, async () => {
    await browser.close();
    if (chromium && chromium.exitCode === null && chromium.signalCode === null) await once(chromium, "exit");
  });
  return browser;
}

/**
 * Firefox with a profile of its own, driven over WebDriver BiDi; all goes when the test `t` ends.
 *
 * @param {import("node:test").TestContext} t
 * @param {Record<string, unknown>} [extraPrefsFirefox] settings of the profile
 */
export async function startFirefox(t, extraPrefsFirefox = {}) {
  const home = await mkdtemp(path.join(tmpdir(), "tablekeep-firefox-"));
  later(t, () => rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  // A machine that tests may have no loudspeaker: sounds go nowhere, as fast as to one.
  await writeFile(path.join(home, ".asoundrc"), "pcm.!default { type null }\nctl.!default { type null }\n");
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, extraPrefsFirefox, headless: true, env: { ...process.env, HOME: home, TMPDIR: home } });
  const firefox = browser.process();
  later(t, async () => {
    await browser.close();
    if (firefox && firefox.exitCode === null && firefox.signalCode === null) await once(firefox, "exit");
  });
  return browser;
}

/**
 * A page, and everything that went wrong in it.
 *
 * @param {import("puppeteer-core").Browser | import("puppeteer-core").BrowserContext} browser
 * @param {import("puppeteer-core").CreatePageOptions} [options]
 */
export async function openPage(browser, options) {
  const page = await browser.newPage(options);
  await page.setViewport({ width: 1280, height: 900 });
  page.setDefaultTimeout(PATIENCE);
  // What is done to an element waits until there is one: puppeteer looks once.
  for (const act of ["click", "focus", "hover", "select", "tap", "type", "$eval"]) {
    const once = page[act].bind(page);
    page[act] = async (selector, ...given) => {
      await page.waitForSelector(selector);
      return once(selector, ...given);
    };
  }
  /** @type {string[]} */
  const problems = [];
  page.on("console", (message) => {
    // Browsers ask for an icon where a document names none; having none is no error.
    if (message.location().url?.endsWith("/favicon.ico")) return;
    // At an address without TLS, as in any network at home, Chromium says of this header that it does not count.
    if (message.text().startsWith("The Cross-Origin-Opener-Policy header has been ignored")) return;
    if (message.type() === "error") problems.push(`${message.text()} (${message.location().url ?? ""})`);
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  return { page, problems };
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };

/**
 * Serves `pages/` on an origin of its own, for pages that stand in for SpellTable's frontends.
 *
 * @param {import("node:test").TestContext} t
 * @param {Record<string, { type: string, body: string }>} [more] further files by name
 * @param {string} [host] what the origin is called
 * @returns {Promise<string>} the origin
 */
export async function startPages(t, more = {}, host = "localhost") {
  const server = createServer(async (request, response) => {
    const name = path.basename(new URL(request.url ?? "/", "http://localhost").pathname);
    if (more[name]) {
      response.writeHead(200, { "content-type": more[name].type }).end(more[name].body);
      return;
    }
    try {
      const body = await readFile(path.join(HERE, "pages", name));
      response.writeHead(200, { "content-type": TYPES[path.extname(name)] ?? "application/octet-stream" }).end(body);
    } catch {
      // Browsers ask for an icon; having none is no error.
      response.writeHead(name === "favicon.ico" ? 204 : 404).end();
    }
  });
  server.listen(0, host);
  await once(server, "listening");
  later(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${host}:${server.address().port}`;
}

/**
 * Asks the server from outside the browser. The connection is closed at once: one that is kept
 * would hold the server up when it stops.
 *
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: FormData }} [options]
 * @returns {Promise<{ status: number, body: any }>}
 */
export async function ask(url, { method = "GET", headers = {}, body } = {}) {
  const form = body && new Response(body);
  const type = form?.headers.get("content-type");
  const sent = request(url, { method, agent: false, headers: type ? { ...headers, "content-type": type } : headers });
  sent.end(form && Buffer.from(await form.arrayBuffer()));
  const [answer] = await once(sent, "response");
  const text = Buffer.concat(await answer.toArray()).toString();
  return { status: answer.statusCode, body: JSON.parse(text) };
}

/**
 * Asks until the answer is one to be content with, and returns it.
 *
 * @template T
 * @param {string} what for the message when it never comes
 * @param {() => Promise<T | undefined | false | null>} ask
 * @returns {Promise<T>}
 */
export async function until(what, ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${PATIENCE / 1000} s in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
