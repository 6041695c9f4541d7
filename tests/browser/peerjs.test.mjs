// The unchanged PeerJS client library against the real broker, in real browsers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ask, openPage, startBrowser, startPages, startServer, until } from "./server.mjs";

const MEDIA = [
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  // Both ends are on this machine, which may have no other network.
  "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
];

/** The options that the server itself recommends; the token, so that another page can take over. */
async function options(server, token) {
  const { body } = await ask(`${server.base}/api/peerjs`);
  return { ...body, token };
}

/** Pages that may use the server. */
async function startPeers(t) {
  const library = await readFile(new URL("node_modules/peerjs/dist/peerjs.min.js", import.meta.url), "utf8");
  const origin = await startPages(t, { "peerjs.min.js": { type: "text/javascript", body: library } });
  const browser = await startBrowser(t, MEDIA);
  return async () => {
    const { page } = await openPage(browser);
    await page.goto(`${origin}/peer.html`);
    return {
      page,
      happens: (what) => until(what, () => page.evaluate((what) => happened.includes(what), what)),
      start: async (id, options) => {
        await page.evaluate((id, options) => start(id, options), id, options);
        await until(`${id} is registered`, () => page.evaluate(() => peer.open));
        return page.evaluate(() => peer.id);
      },
      connect: async (id) => {
        await page.evaluate((id) => connect(id), id);
        await until(`a connection to ${id}`, () => page.evaluate((id) => connections.get(id).open, id));
      },
      /** More than what was seen and heard before. */
      sees: (before) => until("picture and sound", async () => {
        const { pictures, sound } = await page.evaluate(() => seen());
        return pictures > before.pictures && sound > before.sound;
      }),
      send: (id, data) => page.evaluate((id, data) => send(id, data), id, data),
      hears: (data) => until(`hearing ${data}`, () => page.evaluate((data) => heard.includes(data), data)),
    };
  };
}

test("two pages talk, see each other, and survive a restart of the broker", async (t) => {
  const server = await startServer(t);
  const open = await startPeers(t);
  const [ann, bob] = [await open(), await open()];
  assert.equal(await ann.start("ann", await options(server, "ann's")), "ann");
  assert.equal(await bob.start("bob", await options(server, "bob's")), "bob");

  await ann.connect("bob");
  const metadata = await until("bob knows", () => bob.page.evaluate(() => connections.get("ann")?.metadata));
  assert.deepEqual(metadata, { table: "main" });
  await ann.send("bob", "a word for bob");
  await bob.hears("a word for bob");
  await bob.send("ann", "a word for ann");
  await ann.hears("a word for ann");

  await ann.page.evaluate(() => call("bob"));
  for (const who of [ann, bob]) await who.sees({ pictures: 0, sound: 0 });

  await server.restart("SIGTERM");
  for (const who of [ann, bob]) {
    await who.happens("disconnected");
    await until("back", () => who.page.evaluate(() => peer.open));
  }
  // What they had goes on, and under the same ids they find each other again.
  for (const who of [ann, bob]) await who.sees(await who.page.evaluate(() => seen()));
  await ann.send("bob", "still here");
  await bob.hears("still here");
  await bob.connect("ann");
  await bob.send("ann", "and here again");
  await ann.hears("and here again");
  assert.deepEqual(await bob.page.evaluate(() => [peer.id, peer.destroyed]), ["bob", false]);
});

test("a page with the same id and token takes over; another one is told that the id is taken", async (t) => {
  const server = await startServer(t);
  const open = await startPeers(t);
  const [old, fresh, other, thief] = [await open(), await open(), await open(), await open()];
  await old.start("ann", await options(server, "secret"));
  await old.page.evaluate(() => { comesBack = false; });
  await other.start("bob", await options(server, "bob's"));
  await thief.page.evaluate((options) => start("ann", options), await options(server, "guess"));
  await thief.happens("error unavailable-id");
  assert.equal(await old.page.evaluate(() => peer.open), true);

  await fresh.start("ann", await options(server, "secret"));
  await old.happens("disconnected");
  await other.connect("ann");
  await other.send("ann", "to the one who is here");
  await fresh.hears("to the one who is here");
});

test("who calls somebody who never comes is told so, and who comes in time is reached", async (t) => {
  const server = await startServer(t);
  const open = await startPeers(t);
  const [ann, bob] = [await open(), await open()];
  await ann.start("ann", await options(server, "t"));
  await ann.page.evaluate(() => connect("nobody"));
  await ann.happens("error peer-unavailable");
  assert.equal(await ann.page.evaluate(() => peer.open), true);

  await ann.page.evaluate(() => connect("bob"));
  await bob.start("bob", await options(server, "t"));
  await ann.happens("connected bob");
});

test("a page without an id gets one, with the path / as with /peerjs", async (t) => {
  const server = await startServer(t);
  const open = await startPeers(t);
  const ids = [];
  for (const path of ["/", "/peerjs", "/peerjs/"]) {
    const page = await open();
    await page.page.evaluate((options) => start(undefined, options), { ...await options(server, "t"), path });
    await until("registered", () => page.page.evaluate(() => peer.open));
    ids.push(await page.page.evaluate(() => peer.id));
  }
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, 3);
});

test("a connection is closed by whoever hangs up for somebody", async (t) => {
  const server = await startServer(t);
  const open = await startPeers(t);
  const [ann, bob] = [await open(), await open()];
  await ann.start("ann", await options(server, "t"));
  await bob.start("bob", await options(server, "t"));
  await ann.connect("bob");
  await bob.page.evaluate(() => peer.socket.send({ type: "LEAVE", dst: "ann" }));
  await ann.happens("closed bob");
});
