// The chat's client against a chat in memory: no network, and time goes on when the test says so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { asFileCard, cardFromText, cardText, fileName, pictureType } from "../../assets/chat/files.js";
import { asJoinKey, readInvitation, writeInvitation } from "../../assets/chat/invitation.js";
import { ChatRoom } from "../../assets/chat/room.js";
import { FakeChat } from "./chat-server.mjs";
import { FakeSocket, Timers } from "./live-world.mjs";

/** Waits for what other threads (the cryptography) and promises have to do; not for time. */
async function until(what, look) {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`in vain: ${what}`);
}

/** Lets everything happen that is going to happen by itself. */
const settle = async () => { for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0)); };

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => void this.kept.set(key, value);
  removeItem = (key) => void this.kept.delete(key);
}

/** One page with the chat: its timers, its sockets, its storage. */
class Page {
  timers = new Timers();
  storage = new Storage();
  sockets = [];
  questions = [];
  secrets = [];
  /** Without network, dialled sockets do not open. */ network = true;
  window = new EventTarget();

  /** @param {FakeChat} chat */
  constructor(chat) {
    this.chat = chat;
    const page = this;
    this.Socket = class extends FakeSocket {
      constructor(url, protocol) {
        super(url, protocol);
        page.sockets.push(this);
        setImmediate(() => page.network && this.#dial());
      }
      #dial() {
        this.line = page.chat.connect({
          send: (text) => setImmediate(() => this.readyState === 1 && this.dispatchEvent(Object.assign(new Event("message"), { data: text }))),
          close: (code, reason) => setImmediate(() => this.readyState === 1 && this.breaks(code, reason)),
        });
        this.opens();
      }
      send(text) {
        super.send(text);
        this.line.receive(text);
      }
      close(code, reason) {
        super.close(code, reason);
        this.line?.gone();
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  options() {
    const { timers } = this;
    return {
      url: "ws://chat.test/ws/chat", WebSocket: this.Socket, setTimeout: timers.setTimeout, clearTimeout: timers.clearTimeout, random: () => 1,
      window: this.window, document: undefined, storage: this.storage,
      askSecret: async (question) => {
        this.questions.push(question);
        return this.secrets.shift() ?? null;
      },
      fetch: async (url, { headers }) => {
        const file = [...this.chat.rooms.values()].map(({ files, members }) =>
          members.some(({ token }) => headers.authorization === `Bearer ${token}`) && files.get(url.slice("/files/".length))).find(Boolean);
        return file ? { ok: true, arrayBuffer: async () => file.buffer.slice(file.byteOffset, file.byteOffset + file.length) } : { ok: false };
      },
    };
  }

  async enter(room) {
    this.room = room;
    this.done = room.run();
    await until("the room is entered", () => room.phase === "in" || room.phase === "over");
    return room;
  }

  create(entry) {
    return this.enter(ChatRoom.create({ name: "Dragon Hoard", myName: "Ann", mode: "link-v1", ...entry }, this.options()));
  }

  join(invitation, entry = {}) {
    const { joinKey, secret, scheme } = invitation;
    return this.enter(ChatRoom.join({ joinKey, secret, mode: scheme, myName: "Bob", ...entry }, this.options()));
  }

  /** The line is cut without a word; both ends find out. */
  cut() {
    const { socket } = this;
    socket.line.gone();
    socket.breaks();
  }

  async back() {
    this.network = true;
    this.timers.advance(15_000);
    await until("back in the room", () => this.room.phase !== "away");
  }

  said() {
    return this.room.lines.filter(({ kind }) => kind === "message").map(({ from, text }) => `${from}: ${text}`);
  }

  told() {
    return this.room.lines.filter(({ kind }) => kind !== "message").map(({ text }) => text);
  }

  async hears(text) {
    await until(`${this.room.myName} hears "${text}"`, () => this.said().includes(text));
  }
}

async function two(entry) {
  const chat = new FakeChat();
  const [ann, bob] = [new Page(chat), new Page(chat)];
  await ann.create(entry);
  await bob.join(ann.room.invitation, entry?.mode === "passphrase-v1" ? { passphrase: entry.passphrase } : {});
  assert.equal(bob.room.phase, "in", bob.room.end?.message);
  return { chat, ann, bob };
}

for (const entry of [{ mode: "link-v1" }, { mode: "passphrase-v1", passphrase: "correct horse battery staple" }, { mode: "wrap-v1" }, { mode: "server" }]) {
  test(`two members of a ${entry.mode} room talk`, async () => {
    const { chat, ann, bob } = await two(entry);
    assert.equal(bob.room.mode, entry.mode);
    ann.room.send("Hello <b>Bob</b>");
    await bob.hears("Ann: Hello <b>Bob</b>");
    bob.room.send("Hi");
    await ann.hears("Bob: Hi");
    assert.deepEqual(ann.said(), bob.said(), "in the same order");
    assert.ok(!chat.everything.includes("Hello"), "the server does not see what is said");
    if (entry.mode !== "server") {
      for (const secret of [ann.room.invitation.secret, entry.passphrase]) assert.ok(!secret || !chat.everything.includes(secret));
    }
    assert.deepEqual([...ann.room.members.values()].map(({ name }) => name), ["Ann", "Bob"]);
    assert.ok(ann.room.isOwner && !bob.room.isOwner);
  });
}

test("a link without its key, or with another room's, does not enter", async () => {
  const { ann, bob, chat } = await two();
  const cases = [
    [{ secret: null, scheme: null }, /whole link/],
    [{ secret: "A".repeat(43) }, /not the room's/],
  ];
  for (const [wrong, text] of cases) {
    const page = new Page(chat);
    await page.join({ ...ann.room.invitation, ...wrong }, { myName: "Eve" });
    assert.equal(page.room.phase, "over");
    assert.match(page.room.end.message, text);
  }
  assert.equal(bob.room.members.size, 2);
});

test("the server cannot make a room less safe than its link says", async () => {
  const { ann, chat } = await two();
  const lies = {
    "no encryption": (m) => (m.encryption || m.room_info ? { ...m, encryption: { mode: "server" }, room_info: m.room_info && { ...m.room_info, encryption: { mode: "server" } } } : m),
    "no encryption after joining": (m) => (m.type === "RoomJoined" ? { ...m, room_info: { ...m.room_info, encryption: { mode: "server" } }, encryption_key: "QUJD" } : m),
    "a key of its own": (m) => (m.type === "RoomJoined" ? { ...m, encryption_key: Buffer.alloc(32).toString("base64") } : m),
    "another scheme": (m) => (m.type === "RoomPeek" ? { ...m, encryption: { ...m.encryption, scheme: "wrap-v1" } } : m),
  };
  for (const [lie, after] of Object.entries(lies)) {
    chat.after = after;
    const page = new Page(chat);
    await page.join(ann.room.invitation, { myName: lie });
    assert.equal(page.room.phase, "over", lie);
    assert.match(page.room.end.message, /encrypted in another way/, lie);
  }
  chat.after = (m) => (m.type === "RoomCreated" ? { ...m, encryption_key: "QUJD" } : m);
  const creator = new Page(chat);
  await creator.create();
  assert.equal(creator.room.end?.code, "bad_parameters");
});

test("the server cannot make words easy to guess", async () => {
  const { ann, chat } = await two({ mode: "passphrase-v1", passphrase: "correct horse battery staple" });
  chat.after = (m) => (m.type === "RoomPeek" ? { ...m, encryption: { ...m.encryption, params: { ...m.encryption.params, iterations: 1 } } } : m);
  const before = chat.heard.length;
  const page = new Page(chat);
  await page.join(ann.room.invitation, { myName: "Carl", passphrase: "correct horse battery staple" });
  assert.match(page.room.end.message, /at least 600000/);
  assert.deepEqual(chat.heard.slice(before).map(({ type }) => type), ["PeekRoom"], "no proof was sent");
});

test("wrong words and passwords are asked for again, and the page keeps no words", async () => {
  const { ann, chat } = await two({ mode: "passphrase-v1", passphrase: "correct horse battery staple" });
  const carl = new Page(chat);
  carl.secrets = ["wrong horse", "correct horse battery staple"];
  await carl.join(ann.room.invitation, { myName: "Carl" });
  assert.equal(carl.room.phase, "in");
  assert.deepEqual(carl.questions, [{ what: "passphrase", again: false }, { what: "passphrase", again: true }]);
  assert.equal(chat.heard.filter(({ type }) => type === "JoinRoom").length, 2, "wrong words do not go to the server");
  await settle();
  assert.ok(!JSON.stringify([...carl.storage.kept]).includes("horse"));

  const door = new Page(chat);
  await door.create({ mode: "wrap-v1", password: "mellon" });
  const dora = new Page(chat);
  dora.secrets = ["friend", "mellon"];
  await dora.join(door.room.invitation, { myName: "Dora" });
  assert.equal(dora.room.phase, "in");
  assert.deepEqual(dora.questions.map(({ again }) => again), [false, true]);

  const nobody = new Page(chat);
  await nobody.join(door.room.invitation, { myName: "Nobody" });
  assert.equal(nobody.room.end.code, "cancelled");
});

test("what was typed while away is sent later, once and in order", async () => {
  const { ann, bob } = await two();
  ann.network = false;
  ann.cut();
  assert.equal(ann.room.phase, "away");
  ann.room.send("one");
  ann.room.send("two");
  bob.room.send("meanwhile");
  await bob.hears("Bob: meanwhile");
  assert.equal(ann.room.outgoing.items.length, 2);
  await ann.back();
  await bob.hears("Ann: two");
  assert.deepEqual(bob.said(), ["Bob: meanwhile", "Ann: one", "Ann: two"]);
  await ann.hears("Ann: two");
  assert.deepEqual(ann.said(), bob.said());
  assert.deepEqual(bob.told().filter((text) => !text.includes("is here")), [], "nobody is told about the blip");
});

test("a message whose receipt was lost is not said twice", async () => {
  const { ann, bob, chat } = await two();
  // The message arrives, the receipt does not; and the buffer has forgotten it when Ann is back.
  for (const forgotten of [false, true]) {
    const text = `once ${forgotten}`;
    ann.network = false;
    chat.before = (message) => {
      if (message.type !== "ChatMessage") return false;
      ann.socket.readyState = 3;
      return false;
    };
    ann.room.send(text);
    await bob.hears(`Ann: ${text}`);
    chat.before = () => false;
    const [room] = chat.rooms.values();
    if (forgotten) room.forgottenUpTo = room.seq;
    ann.cut();
    await ann.back();
    await ann.hears(`Ann: ${text}`);
    assert.equal(ann.room.outgoing.items.length, 0);
    await settle();
    for (const page of [ann, bob]) assert.equal(page.said().filter((said) => said === `Ann: ${text}`).length, 1, page.room.myName);
    room.forgottenUpTo = undefined;
  }
  assert.match(ann.told().join(), /some messages in between/);
});

test("it comes back for ever, ever more slowly up to a limit, and at once when the network does", async () => {
  const { ann } = await two();
  ann.network = false;
  ann.cut();
  const waits = [];
  for (let round = 0; round < 9; round += 1) {
    const before = ann.sockets.length;
    let waited = 0;
    while (ann.sockets.length === before) {
      ann.timers.advance(500);
      waited += 500;
    }
    waits.push(waited);
    ann.socket.breaks();
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
  ann.network = true;
  ann.window.dispatchEvent(new Event("online"));
  await until("back", () => ann.room.phase === "in");
});

test("who was away too long joins again and goes on", async () => {
  const { ann, bob, chat } = await two();
  ann.room.send("before");
  await bob.hears("Ann: before");
  bob.network = false;
  bob.cut();
  bob.room.send("from afar");
  chat.timeout("Bob");
  await bob.back();
  await ann.hears("Bob: from afar");
  ann.room.send("welcome back");
  await bob.hears("Ann: welcome back");
  assert.ok(bob.said().includes("Ann: before"), "what was read stays on the page");
});

test("who was taken back without hearing of it comes under another name", async () => {
  const { ann, bob, chat } = await two();
  bob.network = false;
  bob.cut();
  bob.room.send("from afar");
  const [room] = chat.rooms.values();
  room.members.find(({ name }) => name === "Bob").token = "told to nobody";
  await bob.back();
  await ann.hears("Bob 2: from afar");
  assert.equal(bob.room.myName, "Bob 2");
});

test("a room that is gone is said to be gone", async () => {
  const { bob, chat } = await two();
  bob.network = false;
  bob.cut();
  chat.rooms.clear();
  await bob.back();
  assert.match(bob.room.end.message, /does not exist any more/);
  assert.equal(bob.storage.kept.size, 0);
});

test("a reloaded page is the same member and shows again what was said", async () => {
  for (const mode of ["link-v1", "wrap-v1", "server"]) {
    const { ann, bob, chat } = await two({ mode });
    ann.room.send("one");
    await bob.hears("Ann: one");
    bob.room.send("two");
    await ann.hears("Bob: two");
    bob.network = false;
    bob.cut();
    bob.room.send("typed while away");
    await settle();

    const again = new Page(chat);
    again.storage = bob.storage;
    await again.enter(await ChatRoom.restore(again.options()));
    await again.hears("Bob: typed while away");
    assert.deepEqual(again.said(), ["Ann: one", "Bob: two", "Bob: typed while away"]);
    ann.room.send("three");
    await again.hears("Ann: three");
    again.room.send("four");
    await ann.hears("Bob: four");
    assert.equal(ann.told().join(), "Bob is here.", "nobody was told, nothing was dropped or doubled");
    again.room.leave();
    assert.equal(again.storage.kept.size, 0);
    assert.equal(await ChatRoom.restore(again.options()), null);
  }
});

test("the same room in another tab ends this one without coming back", async () => {
  const { bob, chat } = await two();
  await settle();
  const copy = new Page(chat);
  copy.storage.kept = new Map(bob.storage.kept);
  await copy.enter(await ChatRoom.restore(copy.options()));
  await until("the first tab is over", () => bob.room.phase === "over");
  assert.match(bob.room.end.message, /another tab/);
  bob.timers.advance(60_000);
  assert.equal(bob.sockets.length, 1);
});

test("forged, repeated, dropped and foreign messages are shown as what they are", async () => {
  const { ann, bob, chat } = await two();
  ann.room.send("real");
  await bob.hears("Ann: real");
  const [room] = chat.rooms.values();
  const real = room.events.findLast(({ type }) => type === "ChatMessage");
  const say = (more) => chat.tell(room, { ...real, ...more });
  say({});
  say({ sender_id: bob.room.me, sender: "Bob" });
  say({ content: "plain words" });
  await until("all are looked at", () => bob.told().length >= 2);
  assert.deepEqual(bob.said(), ["Ann: real"], "a repetition is dropped");
  assert.match(bob.told()[0], /said to be from Bob could not be verified/);
  assert.match(bob.told()[1], /Ann sent a message that this page cannot read/);

  chat.before = (message) => message.type === "ChatMessage" && (chat.before = () => false, true);
  ann.room.send("swallowed");
  await settle();
  ann.cut();
  await ann.back();
  await bob.hears("Ann: swallowed");
  chat.after = (message, peer) => (message.type === "ChatMessage" && peer.member?.name === "Bob" ? { type: "Nothing", seq: message.seq } : message);
  ann.room.send("left out");
  await ann.hears("Ann: left out");
  chat.after = (message) => message;
  ann.room.send("after");
  await bob.hears("Ann: after");
  assert.match(bob.told().at(-1), /^A message from Ann before this did not arrive/);
});

test("what the server refuses for a while is tried again, and for good is said", async () => {
  const { ann, bob, chat } = await two();
  let refusals = 3;
  chat.before = (message, peer) => message.type === "ChatMessage" && refusals-- > 0 && (peer.refuse("rate_limited", "Too many requests", { retry_after_ms: 700 }), true);
  ann.room.send("patience");
  ann.room.send("and order");
  while (bob.said().length < 2) {
    await settle();
    ann.timers.advance(700);
  }
  assert.deepEqual(bob.said(), ["Ann: patience", "Ann: and order"]);
  chat.before = (message, peer) => message.type === "ChatMessage" && (peer.refuse("message_too_large", "Message is too large"), true);
  ann.room.send("no");
  await until("it is said", () => ann.told().some((text) => text.includes("This was not sent (Message is too large): no")));
  chat.before = () => false;
  ann.room.send("yes");
  await bob.hears("Ann: yes");
  assert.deepEqual(bob.told(), [], "no gap in the numbers");
  assert.throws(() => ann.room.send("x".repeat(60_000)), { code: "too_large" });
});

test("a file is encrypted, named only inside the message, and comes back", async () => {
  for (const mode of ["link-v1", "server"]) {
    const { ann, bob, chat } = await two({ mode });
    const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => i % 251);
    ann.room.sendFile(new File([bytes], "secret lair.png", { type: "image/png" }));
    const line = await until("Bob has the file", () => bob.room.lines.find(({ file }) => file));
    assert.deepEqual({ ...line.file, id: "" }, { id: "", name: "secret lair.png", mime_type: "image/png", size: 5_000, epoch: 0 });
    assert.deepEqual(await bob.room.fetchFile(line.file), bytes);
    const { name, mime_type } = chat.heard.find(({ type }) => type === "UploadFile");
    if (mode === "link-v1") assert.deepEqual({ name, mime_type }, { name: "file.enc", mime_type: "application/octet-stream" });
    assert.equal(chat.everything.includes("lair"), mode === "server");
    const own = await until("Ann sees it too", () => ann.room.lines.find(({ file }) => file));
    assert.deepEqual(await ann.room.fetchFile(own.file), bytes);
    await assert.rejects(bob.room.fetchFile({ ...line.file, id: "other" }), { code: "file_not_found" });
    assert.throws(() => ann.room.sendFile({ name: "big", size: 6e6 }), { code: "too_large" });
  }
});

test("wrap-v1: who leaves cannot read on, who comes cannot read back, and codes agree", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  await until("Bob has the key", () => bob.room.hasKey);
  ann.room.send("for Ann and Bob");
  await bob.hears("Ann: for Ann and Bob");
  const carl = new Page(chat);
  await carl.join(ann.room.invitation, { myName: "Carl" });
  await until("Carl has the key", () => carl.room.hasKey);
  const codes = await Promise.all([[ann, "Carl"], [carl, "Ann"], [bob, "Carl"]].map(([page, other]) =>
    page.room.safetyCode([...page.room.members.values()].find(({ name }) => name === other))));
  assert.equal(codes[0], codes[1]);
  assert.notEqual(codes[0], codes[2]);

  const [room] = chat.rooms.values();
  bob.room.leave();
  await until("Ann knows", () => ann.room.members.size === 2);
  ann.timers.advance(1_000);
  await until("the key is new", () => ann.room.epoch === 1 && carl.room.epoch === 1 && carl.room.hasKey);
  ann.room.send("without Bob");
  await carl.hears("Ann: without Bob");
  const last = room.events.findLast(({ type }) => type === "ChatMessage");
  assert.match(last.content, /^E1\.1\./);
  assert.deepEqual(chat.heard.filter(({ type }) => type === "RekeyRoom").at(-1).keys.map(({ to }) => to), [carl.room.me]);
  carl.room.send("and back");
  await ann.hears("Carl: and back");
});

test("wrap-v1: the key under way survives a broken connection, and a refusal", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  const carl = new Page(chat);
  await carl.join(ann.room.invitation, { myName: "Carl" });
  await until("Carl has the key", () => carl.room.hasKey);
  await until("Bob has the key", () => bob.room.hasKey);
  // Applied, but Ann's connection breaks before she hears of it.
  chat.before = (message) => {
    if (message.type === "RekeyRoom") ann.socket.readyState = 3;
    return false;
  };
  bob.room.leave();
  await until("Ann knows", () => ann.room.members.size === 2);
  ann.timers.advance(1_000);
  await until("Carl has the new key", () => carl.room.epoch === 1 && carl.room.hasKey);
  chat.before = () => false;
  ann.cut();
  await ann.back();
  assert.ok(ann.room.hasKey && ann.room.epoch === 1);
  ann.room.send("still here");
  await carl.hears("Ann: still here");

  const dora = new Page(chat);
  await dora.join(ann.room.invitation, { myName: "Dora" });
  await until("Dora has the key", () => dora.room.hasKey);
  let refusals = 2;
  chat.before = (message, peer) => message.type === "RekeyRoom" && refusals-- > 0 && (peer.refuse("invalid_key", "Invalid wrapped key"), true);
  carl.room.leave();
  await until("Ann knows", () => ann.room.members.size === 2);
  for (let round = 0; round < 4 && ann.room.epoch < 2; round += 1) {
    ann.timers.advance(3_000);
    await settle();
  }
  assert.equal(ann.room.epoch, 2);
  dora.room.send("hello");
  await ann.hears("Dora: hello");
});

test("wrap-v1: without the owner the longest-present member hands the key over", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  await until("Bob has the key", () => bob.room.hasKey);
  const { invitation } = ann.room;
  ann.room.leave();
  await until("Bob knows", () => bob.room.members.size === 1);
  assert.match(bob.told().at(-1), /owner is not here/);
  const carl = new Page(chat);
  await carl.join(invitation, { myName: "Carl" });
  await until("Carl has the key", () => carl.room.hasKey);
  carl.room.send("hi");
  await bob.hears("Carl: hi");
});

test("wrap-v1: when the first key holder is silent, the next one helps", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  await until("Bob has the key", () => bob.room.hasKey);
  chat.before = (message, peer) => message.type === "ShareKey" && peer.member.name === "Ann";
  const carl = new Page(chat);
  await carl.join(ann.room.invitation, { myName: "Carl" });
  ann.room.send("can you read this?");
  await until("Carl waits", () => carl.room.locked === 1);
  assert.ok(!carl.room.hasKey);
  carl.room.send("typed before the key came");
  bob.timers.advance(3_000);
  await carl.hears("Ann: can you read this?");
  await bob.hears("Carl: typed before the key came");
});

test("wrap-v1: a key that the server slips in is not used", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  await until("Bob has the key", () => bob.room.hasKey);
  const { KeyPair } = await import("../../assets/e2e.js");
  const server = await KeyPair.generate();
  const [room] = chat.rooms.values();
  const handover = { roomId: room.id, epoch: 1, from: ann.room.me, to: bob.room.me };
  const bobsKey = room.members.find(({ name }) => name === "Bob").public_key;
  const wrapped_key = await server.wrap(new Uint8Array(32), bobsKey, handover);
  const bobsPeer = room.members.find(({ name }) => name === "Bob").peer;
  bobsPeer.say({ type: "KeyShared", from: ann.room.me, epoch: 1, wrapped_key, public_key: server.publicKey });
  await until("it is said", () => bob.told().some((text) => text.includes("does not fit")));
  ann.room.send("as before");
  await bob.hears("Ann: as before");
});

for (const forgetsKeys of [false, true]) test(`wrap-v1: who missed a new key while away gets it${forgetsKeys ? ", by coming anew" : ""}`, async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  chat.forgetsKeys = forgetsKeys;
  const carl = new Page(chat);
  await carl.join(ann.room.invitation, { myName: "Carl" });
  await until("both have the key", () => carl.room.hasKey && bob.room.hasKey);
  bob.network = false;
  bob.cut();
  carl.room.leave();
  await until("Ann knows", () => ann.room.members.size === 2);
  ann.timers.advance(1_000);
  await until("the key is new", () => ann.room.epoch === 1);
  await bob.back();
  for (let round = 0; round < 6 && !bob.room.hasKey; round += 1) {
    await settle();
    bob.timers.advance(10_000);
    await settle();
  }
  await until("Bob has it", () => bob.room.hasKey && bob.room.phase === "in");
  bob.room.send("here again");
  await ann.hears("Bob: here again");
  assert.equal(ann.told().filter((text) => text === "Bob is here.").length, forgetsKeys ? 2 : 1);
});

test("wrap-v1: an owner who was away for long is the owner again, for those too who came meanwhile", async () => {
  const { ann, bob, chat } = await two({ mode: "wrap-v1" });
  await until("Bob has the key", () => bob.room.hasKey);
  ann.network = false;
  ann.cut();
  chat.timeout("Ann");
  const carl = new Page(chat);
  await carl.join(bob.room.invitation, { myName: "Carl" });
  await until("Carl has the key", () => carl.room.hasKey);
  await ann.back();
  await until("Carl knows", () => [...carl.room.members.values()].some((member) => member.is_owner));
  bob.room.leave();
  await until("Ann knows", () => ann.room.members.size === 2);
  ann.timers.advance(1_000);
  await until("the key is new", () => carl.room.epoch === 1 && carl.room.hasKey && ann.room.hasKey);
  carl.room.send("hi");
  await ann.hears("Carl: hi");
});

test("the owner closes the room for everybody", async () => {
  const { ann, bob } = await two();
  ann.room.closeRoom();
  await until("both are over", () => bob.room.phase === "over" && ann.room.phase === "over");
  assert.match(bob.room.end.message, /owner has closed/);
  assert.deepEqual(ann.told(), ["Bob is here."]);
  await Promise.all([ann.done, bob.done]);
});

test("a taken name is said, and nothing is kept", async () => {
  const { ann, chat } = await two();
  const page = new Page(chat);
  await page.join(ann.room.invitation, { myName: "Bob" });
  assert.deepEqual(page.room.end, { code: "name_taken", message: "Name already taken" });
  assert.equal(page.storage.kept.size, 0);
});

test("invitations are read in every form, and half of one is none", () => {
  const secret = Buffer.alloc(32, 7).toString("base64url");
  const joinKey = "7KQ2-M9XD-4T8B-ZC1F";
  const whole = { joinKey, secret, scheme: "link-v1" };
  const link = writeInvitation(whole, "https://table.example/chat");
  assert.equal(link, `https://table.example/chat#j=${joinKey}&k=${secret}`);
  assert.deepEqual(readInvitation(link), whole);
  assert.deepEqual(readInvitation(` ${link}\n`), whole);
  assert.deepEqual(readInvitation(`#k=${secret}&j=${joinKey}`), whole);
  assert.deepEqual(readInvitation("7kq2 m9xd-4t8bzclf"), { joinKey, secret: null, scheme: null });
  for (const scheme of ["passphrase-v1", "wrap-v1"]) {
    const invitation = { joinKey, secret: null, scheme };
    assert.deepEqual(readInvitation(writeInvitation(invitation, "/chat")), invitation);
  }
  assert.deepEqual(readInvitation(`/chat#j=${joinKey}`), { joinKey, secret: null, scheme: null });
  for (const broken of ["", "hello", "#", "#j=", "#j=7KQ2", `#j=${joinKey}&k=`, `#j=${joinKey}&k=${secret.slice(1)}`, `#j=${joinKey}&s=server`, `#k=${secret}`]) {
    assert.equal(readInvitation(broken), null, broken);
  }
  assert.equal(asJoinKey("7KQ2-M9XD-4T8B-ZC1U"), null, "U is no letter of these keys");
});

test("cards of files are not trusted", () => {
  const card = { id: "a-Z_9", name: "map.png", mime_type: "image/png", size: 3, epoch: 0 };
  assert.deepEqual(asFileCard(card), card);
  for (const wrong of [null, 7, {}, { ...card, id: "../../scenes" }, { ...card, id: "" }, { ...card, id: 7 }, { ...card, size: -1 }, { ...card, epoch: "0" }, { ...card, name: null }]) {
    assert.equal(asFileCard(wrong), null);
  }
  assert.equal(asFileCard({ ...card, name: "../a\\b\u0000.png" }).name, ".._a_b_.png");
  assert.equal(asFileCard({ ...card, mime_type: "text/html; charset=x" }).mime_type, "application/octet-stream");
  assert.equal(cardText(card), "[File: map.png](/files/a-Z_9)");
  assert.equal(cardFromText(cardText(card)).id, "a-Z_9");
  assert.equal(cardFromText("[File: x](/files/../y)"), null);
  assert.equal(fileName("   "), "file");
  assert.equal(pictureType(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)), "image/png");
  assert.equal(pictureType(Buffer.from("RIFF1234WEBP")), "image/webp");
  for (const no of ["<svg xmlns='http://www.w3.org/2000/svg'/>", "<html>", "", "RIFF1234WAVE"]) assert.equal(pictureType(Buffer.from(no)), null);
});
