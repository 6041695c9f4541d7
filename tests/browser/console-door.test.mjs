// "Come in" on the GM's console: how phones and screens find the table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openConsole } from "./consoles.mjs";
import { openPage } from "./server.mjs";
import { POLL, faultsOf, openGuest, startTable, wear } from "./tables.mjs";

/** On all interfaces, as at home, but not announced to the network of whoever runs the tests. */
const EVERYWHERE = ["--listen", "0.0.0.0:0", "--mdns", "false"];
const PHONE = { width: 360, height: 740, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** The GM's console with the way in on it. */
async function openDoor(gm, { scheme = "dark", width = 1280, height = 800, before = () => {} } = {}) {
  const { page, problems } = await openPage(gm.page.browserContext());
  await page.setViewport({ width, height });
  await wear(page, scheme);
  // A clock that a test can put forward.
  await page.evaluateOnNewDocument(() => {
    const now = Date.now.bind(Date);
    globalThis.ahead = 0;
    Date.now = () => now() + globalThis.ahead;
  });
  await page.evaluateOnNewDocument(before);
  await page.goto(new URL("/", gm.page.url()).href);
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
    throw new Error(`waited in vain for ${test} ${JSON.stringify(given)}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
  });
  const says = (selector, words) => until((selector, words) => {
    const element = document.querySelector(selector);
    return Boolean(element?.checkVisibility()) && element.textContent.includes(words);
  }, selector, words);
  await until(() => document.querySelector(".console-state")?.textContent === "Live");
  await focusOn(page, ".masthead-links", "Come in");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog.come-in[open]");
  await until(() => document.querySelector(".way-state").textContent !== "" || !document.querySelector("dialog.come-in .notice").hidden);
  return { page, problems, until, says };
}

/** Puts the focus on a button with these words. */
const focusOn = (page, within, words) => page.evaluate((within, words) => {
  const button = [...document.querySelectorAll(`${within} button`)].find((one) => one.textContent === words);
  if (!button) throw new Error(`no button ${words}`);
  button.focus();
}, within, words);

/** What the server itself says. */
const invitation = async (gm) => (await gm.rest("GET", "/tables/main/invite")).body;

test("the GM sees address, picture and code, and is told when a phone has reached the server", async (t) => {
  const { browser, gm } = await startTable(t, [...EVERYWHERE, "--players", "code"]);
  const door = await openDoor(gm);
  const { addresses, code } = await invitation(gm);
  if (addresses.length === 0) return door.says("dialog.come-in", "This machine is in no network");
  const [{ origin, join, qr }] = addresses;
  const host = new URL(origin).host;
  await door.says(".way-address", `${host}/join`);
  await door.says(".way-code", code);
  await door.says(".way-state", "Waiting for the first phone");
  // The picture is the server's own (of which the server's tests read the address), and it is drawn.
  const shown = await door.page.$eval(".way-picture", async (image) => {
    await image.decode();
    const pen = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    pen.drawImage(image, 0, 0);
    const dark = pen.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data.filter((value, i) => i % 4 === 0 && value < 50).length;
    return { src: decodeURIComponent(image.src), alt: image.alt, dark: dark / image.naturalWidth / image.naturalHeight };
  });
  assert.equal(shown.src, `data:image/svg+xml,${qr}`);
  assert.equal(shown.alt, `QR code of ${host}/join`);
  assert.ok(shown.dark > 0.2 && shown.dark < 0.6, String(shown.dark));

  // What a phone does that has read it: it lands at the door with the code filled in.
  const phone = await openGuest(browser, PHONE);
  await phone.page.goto(join);
  await phone.until((code) => document.querySelector('input[name="code"]')?.value === code, code);
  await door.says(".way-state", `A phone has reached us at ${host}, just now`);
  await phone.page.type('input[name="name"]', "Ada");
  await phone.page.tap('join-door button[type="submit"]');
  await phone.until(() => document.querySelector("player-seat")?.dataset.is === "well");
  const screen = await openGuest(browser, { width: 1600, height: 900 });
  await screen.page.goto(`${origin}/display`);
  await door.says(".way-state", `A screen has reached us at ${host}`);
  assert.equal(await door.page.$eval(".way-help", (help) => help.hidden), true);

  // Another code is another picture.
  await focusOn(door.page, "dialog.come-in", "New code");
  await door.page.keyboard.press("Enter");
  await (await door.page.waitForSelector("dialog.ask .danger")).click();
  await door.until((code) => !["", code].includes(document.querySelector(".way-code").textContent), code);
  const renewed = await invitation(gm);
  await door.until((qr) => decodeURIComponent(document.querySelector(".way-picture").src).endsWith(qr), renewed.addresses[0].qr);
  await door.page.keyboard.press("Escape");
  await door.page.waitForSelector("dialog.come-in", { hidden: true });
  await door.page.click("#side-people-tab");
  await door.says("people-panel .table-code", renewed.code);
  // Browsers mention that this header is for HTTPS.
  const problems = [door, phone, screen].flatMap(({ problems }) => problems);
  assert.deepEqual(problems.filter((problem) => !problem.includes("Cross-Origin-Opener-Policy")), []);
});

test("after a minute without anybody the two usual causes are named, and go when somebody comes", async (t) => {
  const { browser, gm } = await startTable(t, EVERYWHERE);
  const door = await openDoor(gm);
  const { addresses } = await invitation(gm);
  if (addresses.length === 0) return door.says("dialog.come-in", "This machine is in no network");
  const port = new URL(addresses[0].origin).port;
  await door.says(".way-words", "Nobody is asked for the code");
  await door.page.evaluate(() => { globalThis.ahead = 50_000; });
  await door.says(".way-state", "Waiting for the first phone");
  await door.page.evaluate(() => { globalThis.ahead = 61_000; });
  await door.says(".way-state", "No phone has come yet");
  await door.says(".way-help", "This computer's firewall keeps phones out");
  await door.says(".way-help", "The Wi-Fi keeps its devices apart");
  await door.says(".way-help", `sudo ufw allow ${port}/tcp`);
  assert.deepEqual(await faultsOf(door.page), []);
  const phone = await openGuest(browser, PHONE);
  await phone.page.goto(`${addresses[0].origin}/join`);
  await door.says(".way-state", "A phone has reached us");
  assert.equal(await door.page.$eval(".way-help", (help) => help.hidden), true);
  assert.deepEqual(door.problems, []);
});

test("another address can be chosen, and stays chosen", async (t) => {
  const { gm } = await startTable(t);
  const door = await openDoor(gm, { before: () => {
    // A machine with a network, a name in it, and a second network.
    const ask = globalThis.fetch;
    globalThis.asked = 0;
    globalThis.fetch = async (url, init) => {
      if (url !== "/tables/main/invite") return ask(url, init);
      globalThis.asked += 1;
      const picture = (color) => `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="${color}"/></svg>`;
      const way = (origin, color) => ({ origin, join: `${origin}/join#K7WP`, qr: picture(color) });
      const addresses = [way("http://192.168.1.5:8010", "red"), way("http://tablekeep.local:8010", "green"), way("https://table.example", "blue")];
      return Response.json({ code: "K7WP", needs_code: false, local_only: false, addresses, reached: null });
    };
  } });
  await door.says(".way-address", "192.168.1.5:8010/join");
  assert.deepEqual(await door.page.$$eval("dialog.come-in option", (options) => options.map(({ textContent }) => textContent)), ["192.168.1.5:8010", "tablekeep.local:8010", "https://table.example"]);
  assert.deepEqual(await faultsOf(door.page), []);
  await door.page.select("dialog.come-in select", "http://tablekeep.local:8010");
  const seen = await door.page.evaluate(() => globalThis.asked);
  await door.until((seen) => globalThis.asked > seen, seen);
  await door.says(".way-address", "tablekeep.local:8010/join");
  assert.ok(await door.page.$eval(".way-picture", ({ src }) => src.includes("green")));
  if (process.env.SHOTS) await door.page.screenshot({ path: `${process.env.SHOTS}/door-others.png` });
  assert.deepEqual(door.problems, []);
});

test("a server for this machine alone says so", async (t) => {
  const { gm } = await startTable(t);
  const door = await openDoor(gm);
  await door.says("dialog.come-in .notice", "This server is for this machine only");
  await door.says("dialog.come-in .notice", "--listen 0.0.0.0:8010");
  assert.equal(await door.page.$eval(".way-in", (way) => way.checkVisibility()), false);
  assert.deepEqual(await faultsOf(door.page), []);
  assert.deepEqual(door.problems, []);
});

for (const scheme of ["dark", "light"]) {
  test(`the way in is reached and left by keyboard, and without barriers, ${scheme}`, async (t) => {
    const { gm } = await startTable(t, EVERYWHERE);
    const door = await openDoor(gm, { scheme, width: 1024 });
    assert.deepEqual(await faultsOf(door.page), []);
    assert.ok(await door.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll("dialog *")].every((one) => one.getBoundingClientRect().right <= innerWidth)));
    // Whatever Tab reaches of the page is in the dialog.
    const reached = new Set();
    for (let step = 0; step < 8; step++) {
      await door.page.keyboard.press("Tab");
      reached.add(await door.page.evaluate(() => (document.activeElement === document.body ? "window" : document.activeElement.closest("dialog.come-in") ? "dialog" : document.activeElement.outerHTML)));
    }
    assert.ok([...reached].every((place) => place === "dialog" || place === "window"), [...reached].join());
    assert.ok(reached.has("dialog"));
    if (process.env.SHOTS) await door.page.screenshot({ path: `${process.env.SHOTS}/door-${scheme}.png` });
    await door.page.evaluate(() => { globalThis.ahead = 61_000; });
    const hasWay = await door.page.$eval(".way-in", (way) => way.checkVisibility());
    if (hasWay) await door.says(".way-help", "firewall");
    if (process.env.SHOTS) await door.page.screenshot({ path: `${process.env.SHOTS}/door-${scheme}-help.png` });
    await door.page.keyboard.press("Escape");
    await door.page.waitForSelector("dialog.come-in", { hidden: true });
    assert.equal(await door.page.evaluate(() => document.activeElement.textContent), "Come in", "the focus is where it was");
    assert.deepEqual(door.problems, []);
  });
}

for (const [players, words, notWords] of [["open", "--players code", "give it a new code"], ["code", "give it a new code", "Nobody is asked"]]) {
  test(`whoever removes a player reads what that is good for, and so does who is removed (${players})`, async (t) => {
    const { server, browser, gm } = await startTable(t, ["--players", players]);
    const { page, until, press } = await openConsole(gm);
    await page.click("#side-people-tab");
    const phone = await openGuest(browser, PHONE);
    const sit = async () => {
      await phone.page.goto(`${server.base}/join${players === "code" ? `#${await gm.code()}` : ""}`);
      await phone.page.waitForSelector("join-door input");
      await phone.page.$eval('[name="name"]', (input) => { input.value = "Ada"; });
      await phone.page.click('join-door [type="submit"]');
      await phone.until(() => document.querySelector("player-seat")?.dataset.is === "well");
    };
    const asked = async () => {
      await page.waitForSelector("dialog[open] .danger");
      return page.$eval("#ask-text", (text) => text.textContent);
    };
    const isAskedForCode = () => phone.page.$eval("join-door", (door) => /code/.test(door.innerText));
    await sit();
    await until(() => document.querySelector('[aria-label="Remove: Ada"]'));
    await press("Remove: Ada");
    const text = await asked();
    assert.ok(text.includes(words) && !text.includes(notWords), text);
    await page.click("dialog[open] .danger");
    await phone.says("h1", "You were removed from the table");
    assert.equal(await isAskedForCode(), false);

    await sit();
    await press("New code", "people-panel");
    assert.equal((await asked()).includes("nobody is kept out"), players === "open");
    await page.click("dialog[open] .danger");
    await phone.says(".trouble", "Your seat has to be taken again");
    if (players === "code") await phone.until(() => document.querySelector('join-door [name="code"]').checkVisibility());
    assert.equal(await isAskedForCode(), players === "code");
  });
}
