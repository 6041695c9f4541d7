// The chat page in Chromium: two visitors, as they would use it.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { startChatPages } from "./chat-pages.mjs";
import { DEMO, openPage, startBrowser } from "./server.mjs";

/** @param {import("puppeteer-core").Browser} browser */
async function visitor(browser) {
  // A profile of its own: nothing is shared but the link.
  const context = await browser.createBrowserContext();
  return openPage({ newPage: () => context.newPage() });
}

/** Types into the field with this label, inside `scope`. */
async function fill(page, label, text, scope = "") {
  const field = await page.waitForSelector(`::-p-xpath(//form[contains(., '${scope}')]//label[span[starts-with(., "${label}")]]/input)`);
  await field.type(text);
}

const press = async (page, name) => (await page.waitForSelector(`::-p-xpath(//button[normalize-space()='${name}'])`)).click();

async function openRoom(page, { mode = "link-v1", words, password } = {}) {
  await fill(page, "Room", "Dragon Hoard");
  await fill(page, "Your name", "Ann", "Open a room");
  if (mode !== "link-v1") {
    await page.click(".ways summary");
    await page.click(`input[value=${mode}]`);
  }
  if (words) await fill(page, "Words, at least", words);
  if (password) await fill(page, "Password", password);
  await press(page, "Open the room");
  await page.waitForSelector("chat-room[data-is=well]");
  return page.$eval("[aria-label='Link to this room']", (field) => field.value);
}

async function accept(page, link, name = "Bob") {
  await page.goto(link);
  await fill(page, "Your name", name, "invited");
  await press(page, "Join");
}

async function say(page, text) {
  await page.type("textarea", text);
  await page.keyboard.press("Enter");
}

const hears = (page, text) => page.waitForFunction((text) =>
  [...document.querySelectorAll(".lines:not(.waiting-lines) .line-text")].some((line) => line.textContent === text), {}, text);

const shows = (page, text) => page.waitForFunction((text) => document.querySelector("main").textContent.includes(text), {}, text);

async function two(t, options) {
  const server = await startChatPages(t);
  const browser = await startBrowser(t);
  const [ann, bob] = [await visitor(browser), await visitor(browser)];
  await ann.page.goto(`${server.base}/chat`);
  const link = await openRoom(ann.page, options);
  await accept(bob.page, link);
  return { server, browser, ann: ann.page, bob: bob.page, link, problems: [ann.problems, bob.problems] };
}

test("a room is opened, its link shared, and two talk; the key is nowhere but with them", async (t) => {
  const { server, ann, bob, link, problems } = await two(t);
  await bob.waitForSelector("chat-room[data-is=well]");
  assert.match(link, /\/chat#j=[0-9A-Z-]{19}&k=[A-Za-z0-9_-]{43}$/);
  assert.equal(bob.url(), `${server.base}/chat`, "the key is out of the address");
  await bob.evaluate(() => { globalThis.hacked = false; });
  const markup = "<img src=x onerror=\"hacked = true\"><b>hi</b>";
  await say(ann, markup);
  await hears(bob, markup);
  await say(bob, "Hello Ann");
  await hears(ann, "Hello Ann");
  assert.equal(await bob.evaluate(() => globalThis.hacked), false);
  assert.equal(await bob.$$eval(".line-text *", (all) => all.length), 0, "what is said is no markup");
  assert.equal(await ann.$eval(".badge", (badge) => badge.textContent), "End-to-end encrypted");
  assert.ok(!server.chat.everything.includes("Hello"));
  assert.ok(!server.chat.everything.includes(link.slice(-43)));
  assert.deepEqual(problems, [[], []]);
});

test("a picture is encrypted on its way and shown as a picture; what only claims to be one is not", async (t) => {
  const { server, ann, bob, problems } = await two(t);
  await bob.waitForSelector("chat-room[data-is=well]");
  const input = await ann.$("input[type=file]");
  await input.uploadFile(path.join(DEMO, "maps/crypt.jpg"));
  for (const page of [ann, bob]) {
    await page.waitForFunction(() => document.querySelector(".line-file img")?.naturalWidth > 0);
    assert.match(await page.$eval(".line-file img", (image) => image.src), /^blob:/);
  }
  const upload = server.chat.heard.find(({ type }) => type === "UploadFile");
  assert.equal(upload.name, "file.enc");
  assert.ok(!Buffer.from(upload.content, "base64").subarray(0, 40).includes("JFIF"));
  await ann.$eval("chat-composer", (composer) => composer.sendFiles([
    new File(["<svg xmlns='http://www.w3.org/2000/svg'><script>parent.hacked = true</script></svg>"], "evil.svg", { type: "image/svg+xml" }),
  ]));
  await bob.waitForSelector("a[download='evil.svg']");
  assert.equal(await bob.$$eval(".line-file img", (all) => all.length), 1);
  assert.equal(await bob.$eval("a[download='evil.svg']", async (a) => (await (await fetch(a.href)).blob()).type).catch(() => "blocked"), "blocked");
  assert.deepEqual(problems[0], []);
});

test("what is typed without a network is sent when it is back; a reload stays in the room", async (t) => {
  const { server, ann, bob } = await two(t);
  await bob.waitForSelector("chat-room[data-is=well]");
  await say(ann, "before");
  await hears(bob, "before");
  await bob.setOfflineMode(true);
  server.cut();
  await bob.waitForSelector("chat-room[data-is=away]");
  await shows(bob, "Connection lost");
  await say(bob, "typed while away");
  await bob.waitForSelector(".waiting-line");
  await bob.setOfflineMode(false);
  await hears(ann, "typed while away");
  await bob.waitForFunction(() => !document.querySelector(".waiting-line"));

  await bob.reload();
  await hears(bob, "before");
  await hears(bob, "typed while away");
  await say(bob, "after the reload");
  await hears(ann, "after the reload");
  assert.equal(await ann.$$eval("li.notice-line", (all) => all.map((line) => line.textContent).join()), "Bob is here.");

  await press(bob, "Leave");
  await (await bob.waitForSelector("dialog[open] button[type=submit]")).click();
  await bob.waitForSelector("chat-start");
  await shows(ann, "Bob has left.");
  assert.equal(await bob.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })), "{}", "nothing is left behind");
});

test("members compare safety codes, and the key changes when somebody leaves", async (t) => {
  const { browser, ann, bob, link } = await two(t, { mode: "wrap-v1" });
  assert.match(link, /&s=wrap-v1$/);
  await bob.waitForSelector("chat-room[data-is=well]");
  const codes = [];
  for (const page of [ann, bob]) codes.push(await (await page.waitForSelector(".safety code")).evaluate((code) => code.textContent));
  assert.match(codes[0], /^\d{4} \d{4} \d{4}$/);
  assert.equal(codes[0], codes[1]);
  const carl = (await visitor(browser)).page;
  await accept(carl, link, "Carl");
  await carl.waitForSelector("chat-room[data-is=well]");
  await press(bob, "Leave");
  await (await bob.waitForSelector("dialog[open] button[type=submit]")).click();
  await shows(carl, "The room has a new key");
  await say(ann, "without Bob");
  await hears(carl, "without Bob");
});

test("words open a room; wrong ones are asked for again", async (t) => {
  const { ann, bob } = await two(t, { mode: "passphrase-v1", words: "correct horse battery staple" });
  const input = await bob.waitForSelector("dialog[open] input");
  await input.type("correct horse battery stable");
  await bob.keyboard.press("Enter");
  await bob.waitForFunction(() => document.querySelector("dialog[open] h2")?.textContent.startsWith("These are not"));
  await bob.type("dialog[open] input", "correct horse battery staple");
  await bob.keyboard.press("Enter");
  await bob.waitForSelector("chat-room[data-is=well]");
  await say(bob, "hi");
  await hears(ann, "hi");
});

test("too few words are refused, and suggested ones are taken", async (t) => {
  const server = await startChatPages(t);
  const { page } = await openPage(await startBrowser(t));
  await page.goto(`${server.base}/chat`);
  await fill(page, "Room", "Dragon Hoard");
  await fill(page, "Your name", "Ann", "Open a room");
  await page.click(".ways summary");
  await page.click("input[value=passphrase-v1]");
  await fill(page, "Words, at least", "dragon dragon");
  await press(page, "Open the room");
  assert.ok(await page.$(".words-row input:invalid"));
  await press(page, "Suggest words");
  await page.$eval(".words-row input", (input) => input.dispatchEvent(new Event("input")));
  await press(page, "Open the room");
  await page.waitForSelector("chat-room");
});

test("a key that the server manages is never called end-to-end", async (t) => {
  const { ann, bob } = await two(t, { mode: "server", password: "mellon" });
  await (await bob.waitForSelector("dialog[open] input[type=password]")).type("mellon");
  await bob.keyboard.press("Enter");
  await bob.waitForSelector("chat-room[data-is=well]");
  for (const page of [ann, bob]) {
    const text = await page.$eval("body", (body) => body.textContent);
    assert.match(text, /Encrypted \(server-managed key\)/);
    assert.match(text, /Whoever runs the server can read everything/);
    assert.doesNotMatch(text, /end-to-end/i);
  }
  await say(ann, "hello");
  await hears(bob, "hello");
});

test("over plain HTTP the page says what is missing, and offers nothing less", async (t) => {
  const server = await startChatPages(t);
  // A name that is not this machine's for the browser, but leads here.
  const { page, problems } = await openPage(await startBrowser(t, ["--host-resolver-rules=MAP table.example 127.0.0.1"]));
  const { port } = new URL(server.base);
  const link = `http://table.example:${port}/chat#j=7KQ2-M9XD-4T8B-ZC1F&k=${"A".repeat(43)}`;
  await page.goto(link);
  await shows(page, "This address cannot encrypt");
  await shows(page, `http://localhost:${port}/chat`);
  assert.equal(await page.$("form"), null);
  assert.equal(page.url(), link, "the key stays for the right address");
  assert.deepEqual(server.chat.heard, []);
  assert.deepEqual(problems, []);
});

test("half a link is said to be half, and the owner can close the room", async (t) => {
  const { ann, bob, link } = await two(t);
  await bob.waitForSelector("chat-room[data-is=well]");
  await press(ann, "Close room");
  await (await ann.waitForSelector("dialog[open] .danger")).click();
  for (const page of [ann, bob]) await press(page, "Back to the start");
  await bob.waitForSelector("chat-start");
  await bob.goto(link.slice(0, -5));
  await bob.waitForFunction(() => document.querySelector("status-line").textContent.includes("not whole"));
  await bob.goto("about:blank");
  await accept(bob, link);
  await shows(bob, "Room not found");
});

test("the page is used with the keyboard, and speaks", async (t) => {
  const { ann, bob } = await two(t);
  await bob.waitForSelector("chat-room[data-is=well]");
  assert.equal(await bob.evaluate(() => document.activeElement?.tagName), "TEXTAREA", "one can write at once");
  await bob.keyboard.type("first line");
  await bob.keyboard.down("Shift");
  await bob.keyboard.press("Enter");
  await bob.keyboard.up("Shift");
  await bob.keyboard.type("second line");
  await bob.keyboard.press("Enter");
  await hears(ann, "first line\nsecond line");
  const log = await ann.accessibility.snapshot({ root: await ann.$("[role=log]") });
  assert.equal(log.name, "Messages");
  const nameless = await ann.$$eval("button, input, textarea, a, summary", (all) => all.filter((one) =>
    !one.hidden && one.type !== "file" && one.textContent.trim() === "" && !one.ariaLabel && !one.labels?.length).map((one) => one.outerHTML));
  assert.deepEqual(nameless, []);
});
