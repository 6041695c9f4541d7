// The chat page and its client against the real server.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ChatRoom } from "../../assets/chat/room.js";
import { DEMO, later, openPage, startBrowser, startServer, until } from "./server.mjs";

/** A member without a page. */
class Member {
  /** @type {WebSocket[]} */ sockets = [];
  #kept = new Map();
  #alive;
  #network = new EventTarget();

  constructor(t, base) {
    const { sockets } = this;
    this.#alive = { url: `${base.replace("http", "ws")}/ws/chat` };
    const alive = this.#alive;
    this.base = base;
    this.t = t;
    this.options = {
      url: alive.url,
      // The waits are long enough to be seen.
      random: () => 1,
      WebSocket: class extends WebSocket {
        constructor() {
          super(alive.url);
          this.on("error", () => {});
          sockets.push(this);
        }
        // Browsers know how to forget listeners.
        addEventListener(type, listener, { signal } = {}) {
          super.addEventListener(type, (event) => signal?.aborted || listener(event));
        }
      },
      storage: { getItem: (key) => this.#kept.get(key) ?? null, setItem: (key, text) => void this.#kept.set(key, text), removeItem: (key) => void this.#kept.delete(key) },
      window: this.#network,
      fetch: (url, options) => fetch(base + url, options),
    };
  }

  async enter(room) {
    this.room = room;
    const done = room.run();
    later(this.t, async () => {
      room.leave();
      await done;
    });
    await until("the room is entered", async () => room.phase === "in" || room.phase === "over");
    assert.equal(room.end, null);
    return this;
  }

  create(entry) {
    return this.enter(ChatRoom.create({ name: "Dragon Hoard", myName: "Ann", ...entry }, this.options));
  }

  join({ joinKey, secret, scheme }, entry) {
    return this.enter(ChatRoom.join({ joinKey, secret, mode: scheme, ...entry }, this.options));
  }

  /** Another page with the same storage; this one never hears of anything again. */
  async reload() {
    this.#alive.url = "ws://127.0.0.1:9";
    this.sockets.at(-1).terminate();
    const next = new Member(this.t, this.base);
    const { storage } = this.options;
    next.options.storage = { ...storage, removeItem: () => {} };
    return next.enter(await ChatRoom.restore(next.options));
  }

  /** The connection breaks; the network is back at once. */
  async blink() {
    this.sockets.at(-1).terminate();
    await until("away", async () => this.room.phase === "away");
    this.room.send("typed while away");
    this.#network.dispatchEvent(new Event("online"));
    await until("back", async () => this.room.phase === "in" && this.room.outgoing.items.length === 0);
  }

  said() {
    return this.room.lines.filter(({ kind }) => kind === "message").map(({ from, text }) => `${from}: ${text}`);
  }

  told() {
    return this.room.lines.filter(({ kind }) => kind !== "message").map(({ text }) => text);
  }

  hears(text) {
    return until(`${this.room.myName} hears "${text}"`, async () => this.said().includes(text));
  }
}

const WAYS = [{ mode: "link-v1" }, { mode: "passphrase-v1", passphrase: "correct horse battery staple" }, { mode: "wrap-v1", password: "mellon" }, { mode: "server", password: "mellon" }];

for (const entry of WAYS) {
  test(`the real server: a ${entry.mode} room, its files, broken connections, and its end`, async (t) => {
    const server = await startServer(t);
    if (!server) return;
    const ann = await new Member(t, server.base).create(entry);
    const { passphrase, password } = entry;
    const bob = await new Member(t, server.base).join(ann.room.invitation, { myName: "Bob", passphrase, password });
    assert.equal(bob.room.mode, entry.mode);
    await until("Bob has the key", async () => bob.room.hasKey);
    ann.room.send("Hello Bob");
    await bob.hears("Ann: Hello Bob");
    bob.room.send("Hello Ann");
    await ann.hears("Bob: Hello Ann");

    await bob.blink();
    await ann.hears("Bob: typed while away");
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    ann.room.sendFile(new File([bytes], "secret lair.png", { type: "image/png" }));
    const line = await until("Bob has the file", async () => bob.room.lines.find(({ file }) => file));
    assert.deepEqual(await bob.room.fetchFile(line.file), bytes);

    const again = await bob.reload();
    await again.hears("Bob: typed while away");
    again.room.send("after the reload");
    await ann.hears("Bob: after the reload");
    assert.deepEqual(again.said(), ann.said(), "both have the same, in the same order");
    assert.deepEqual(ann.told(), ["Bob is here."], "nobody noticed anything");

    ann.room.closeRoom();
    await until("both are out", async () => ann.room.phase === "over" && again.room.phase === "over");
    assert.equal(again.room.end.code, "owner_closed");
  });
}

test("the real server: keys from member to member, and a new one when somebody leaves", async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const ann = await new Member(t, server.base).create({ mode: "wrap-v1" });
  const join = (myName) => new Member(t, server.base).join(ann.room.invitation, { myName });
  const [bob, carl] = [await join("Bob"), await join("Carl")];
  await until("both have the key", async () => bob.room.hasKey && carl.room.hasKey);
  const code = (page, name) => page.room.safetyCode([...page.room.members.values()].find((member) => member.name === name));
  assert.equal(await code(bob, "Carl"), await code(carl, "Bob"));
  bob.room.leave();
  await until("the key is new", async () => ann.room.epoch === 1 && carl.room.epoch === 1 && carl.room.hasKey);
  ann.room.send("without Bob");
  await carl.hears("Ann: without Bob");
  carl.room.send("and back");
  await ann.hears("Carl: and back");
  assert.deepEqual(carl.told(), ["Bob has left.", "The room has a new key: whoever has left cannot read what follows."]);
});

test("the real server: a room that is gone after a restart offers no invitation and sends nothing later", async (t) => {
  const server = await startServer(t);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${server.origin}/chat`);
  for (const [label, words] of [["Room", "Dragon Hoard"], ["Your name", "Ann"]]) {
    await (await page.waitForSelector(`::-p-xpath(//form[contains(., "Open a room")]//label[span[starts-with(., "${label}")]]/input)`)).type(words);
  }
  await (await page.waitForSelector("::-p-xpath(//button[normalize-space()='Open the room'])")).click();
  await page.waitForSelector("chat-room[data-is=well]");
  await server.restart("SIGTERM", async () => {
    await page.waitForSelector("chat-room[data-is=away]");
    await page.type("textarea", "Too late");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".waiting-line");
  });
  await page.waitForFunction(() => document.querySelector(".over:not([hidden])")?.textContent.includes("does not exist any more"));
  assert.equal(await page.$eval(".waiting-line", (line) => line.textContent), "Was not sentToo late");
  assert.equal(await page.$eval("[aria-label='Link to this room']", (field) => field.checkVisibility()), false);
  // The browser says that the server was away.
  assert.deepEqual(problems.filter((problem) => !problem.includes("ERR_CONNECTION_REFUSED")), []);
});

test("the real server: the page, with a picture", async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const browser = await startBrowser(t);
  const visit = async () => {
    const context = await browser.createBrowserContext();
    return openPage({ newPage: () => context.newPage() });
  };
  const [ann, bob] = [await visit(), await visit()];
  await ann.page.goto(`${server.base}/chat`);
  const fields = await ann.page.waitForSelector(".card-form").then(() => ann.page.$$(".card-form:first-of-type input[type=text]"));
  await fields[0].type("Dragon Hoard");
  await fields[1].type("Ann");
  await ann.page.keyboard.press("Enter");
  await ann.page.waitForSelector("chat-room[data-is=well]");
  await bob.page.goto(await ann.page.$eval("[aria-label='Link to this room']", (field) => field.value));
  await (await bob.page.waitForSelector(".card-form:first-of-type input")).type("Bob");
  await bob.page.keyboard.press("Enter");
  await bob.page.waitForSelector("chat-room[data-is=well]");
  await (await ann.page.$("input[type=file]")).uploadFile(path.join(DEMO, "maps/crypt.jpg"));
  await bob.page.waitForFunction(() => document.querySelector(".line-file img")?.naturalWidth > 0);
  assert.equal(new URL(bob.page.url()).hash, "");
  assert.deepEqual([...ann.problems, ...bob.problems], []);
});
