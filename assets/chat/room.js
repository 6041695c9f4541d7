// A chat room as one member has it: enters, comes back, encrypts, decrypts, sends what waits.
//
//   const room = ChatRoom.create({ name: "Dragon Hoard", myName: "Ann", mode: "link-v1" });
//   room.addEventListener("line", ({ detail }) => show(detail));
//   room.send("Hello");
//
// Events: `change` (anything but lines), `line` (a new one, or one that changed), `entered`, `over`.

import { Counters, E2eError, fromBase64, RoomCipher, safetyCode } from "../e2e.js";
import { ChatError, Connection } from "./connection.js";
import { Delivery, receiptId } from "./delivery.js";
import { Door, modeOf, notAsPromised } from "./door.js";
import { asFileCard, cardFromText, fileName, MAX_FILE } from "./files.js";
import { Keeper, rekeyId } from "./keeper.js";
import { Outgoing } from "./outgoing.js";

/**
 * @typedef {{ participant_id: string, name: string, is_owner: boolean, joined_at?: string,
 *   public_key: import("../e2e/wrap.js").PublicKey | null }} Member
 * @typedef {import("./door.js").Entry} Entry
 * @typedef {import("./door.js").Mode} Mode
 *
 * @typedef {object} Line
 * @property {number} id
 * @property {"message" | "notice" | "warning"} kind
 * @property {string} text
 * @property {string} from
 * @property {boolean} own
 * @property {Date} at
 * @property {import("./files.js").FileCard | null} file
 * @property {boolean} live false: it was said before this page was opened or connected again
 */

/** How many lines are remembered, and how many messages wait for their key. */
const MAX_LINES = 2_000;
const MAX_LOCKED = 200;
/** Plaintext that surely fits into an envelope. */
const MAX_TEXT_BYTES = 45_000;
/** After a break, how long to wait for a key that was handed over meanwhile. */
const KEY_PATIENCE = 10_000;
const KEPT = "tablekeep.chat";
/** How many names are tried on the way back. */
const MAX_NAMES = 9;
/** How long to wait for a server that is busy and does not say how long. */
const SHORT_WAIT = 2_000;

export class ChatRoom extends EventTarget {
  /** @type {"entering" | "in" | "away" | "over"} */ phase = "entering";
  /** What takes a moment now, for people. */ busy = "";
  /** Why it is over. @type {{ code: string, message: string } | null} */ end = null;
  /** @type {any} */ info = null;
  me = "";
  myName = "";
  epoch = 0;
  /** @type {Map<string, Member>} */ members = new Map();
  /** @type {Line[]} */ lines = [];
  outgoing;

  #around;
  #options;
  #storage;
  #connection;
  #door;
  #delivery;
  /** @type {{ token: string, seq: number } | null} */ #session = null;
  /** What the page would have to hear again after a reload. */ #joinedSeq = 0;
  /** Whether what comes is what was missed. */ #catchingUp = false;
  /** @type {RoomCipher | null} */ #cipher = null;
  /** @type {Keeper | null} */ #keeper = null;
  #counters = new Counters();
  #lastLine = 0;
  /** Messages whose key is not here yet. @type {any[]} */ #locked = [];
  /** What was heard and is not looked at yet; one at a time, in order. @type {any[]} */ #inbox = [];
  #reading = false;
  /** @type {(() => void) | null} */ #wakeUp = null;
  #upNow = false;
  /** How many connections have broken. */ #connections = 0;
  #keyTimer = null;
  /** How many names this member has had. */ #names = 1;
  #keeping = false;
  #keepAgain = false;

  /**
   * @param {Entry} entry
   * @param {any} options
   * @param {any} [kept]
   */
  constructor(entry, options, kept) {
    super();
    this.#options = options;
    this.myName = entry.myName;
    this.outgoing = Outgoing.fromJSON(kept?.outgoing ?? []);
    this.#door = new Door(entry, this.#doorsHouse());
    this.#delivery = new Delivery(this.outgoing, this.#deliverysHouse());
    this.#storage = options.storage === undefined ? ownStorage() : options.storage;
    this.#around = {
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
      setTimeout: options.setTimeout ?? globalThis.setTimeout.bind(globalThis),
      clearTimeout: options.clearTimeout ?? globalThis.clearTimeout.bind(globalThis),
      random: options.random ?? Math.random,
      window: options.window ?? globalThis.window,
      document: options.document ?? globalThis.document,
    };
    this.#connection = new Connection(options.url ?? ownAddress(globalThis.location), this.#around, {
      up: () => this.#wake(true),
      down: () => this.#down(),
      heard: (message) => this.#heard(message),
      ended: (code, reason) => this.#ended(code, reason),
      became: () => this.#changed(),
    });
  }

  /**
   * @param {Omit<Entry, "how">} entry
   * @param {any} [options]
   */
  static create(entry, options = {}) {
    return new ChatRoom({ ...entry, how: "create" }, options);
  }

  /**
   * @param {Omit<Entry, "how">} entry
   * @param {any} [options] `askSecret`: asks the visitor for a password or the words; null leaves
   */
  static join(entry, options = {}) {
    return new ChatRoom({ ...entry, how: "join" }, options);
  }

  /**
   * The room that this tab was in before it was loaded again.
   *
   * @param {any} [options]
   * @returns {Promise<ChatRoom | null>}
   */
  static async restore(options = {}) {
    const storage = options.storage === undefined ? ownStorage() : options.storage;
    try {
      const kept = JSON.parse(storage?.getItem(KEPT) ?? "null");
      if (kept?.v !== 1) return null;
      const room = new ChatRoom(kept.door.entry, options, kept);
      await room.#restore(kept);
      return room;
    } catch {
      storage?.removeItem(KEPT);
      return null;
    }
  }

  /** Connects and enters; settled when it is over. */
  async run() {
    this.#connection.open();
    while (this.phase !== "over") {
      try {
        if (!this.#upNow) await new Promise((resolve) => (this.#wakeUp = () => resolve(undefined)));
        if (this.#is("over")) return;
        const connection = this.#connections;
        if (this.#upNow && this.phase !== "in") await this.#enter();
        // It may have broken while the answer was looked at.
        if (connection !== this.#connections && this.#is("in")) this.phase = "away";
        while (this.#upNow && this.phase === "in") await new Promise((resolve) => (this.#wakeUp = () => resolve(undefined)));
      } catch (error) {
        await this.#refused(error);
      }
    }
  }

  /** What others are to be given. @returns {import("./invitation.js").Invitation | null} */
  get invitation() {
    const { mode } = this;
    if (!this.info) return null;
    return { joinKey: this.info.join_key, secret: this.#door.entry.secret ?? null, scheme: mode === "server" ? null : mode };
  }

  /** @returns {Mode} */
  get mode() {
    return modeOf(this.info?.encryption);
  }

  get isOwner() {
    return this.members.get(this.me)?.is_owner === true;
  }

  /** Whether what is written now could be sent: the room's key is here. */
  get hasKey() {
    return this.#cipher?.hasKey(this.epoch) === true;
  }

  get connected() {
    return this.#connection.status === "live";
  }

  /**
   * The number that this member and another one compare; null where keys are not handed from member to member.
   *
   * @param {Member} member
   * @returns {Promise<string | null>}
   */
  async safetyCode(member) {
    if (!this.#keeper || !member.public_key || member.participant_id === this.me) return null;
    return safetyCode(this.info.id, this.#keeper.pair.publicKey, member.public_key).catch(() => null);
  }

  /**
   * Sends a text, now or when there is a connection again.
   *
   * @param {string} text
   * @throws {ChatError} `too_large`, `queue_full`
   */
  send(text) {
    if (new TextEncoder().encode(JSON.stringify(text)).length > MAX_TEXT_BYTES) throw new ChatError("too_large", "This is too long for one message.");
    this.#queue({ text });
  }

  /**
   * @param {File} file
   * @throws {ChatError} `too_large`, `queue_full`
   */
  sendFile(file) {
    if (file.size > MAX_FILE) throw new ChatError("too_large", `${file.name} is larger than 5 MB, which is the most that the server takes.`);
    this.#queue({ text: fileName(file.name), file });
  }

  /**
   * Thinks better of something that waits; not of what is on its way already.
   *
   * @param {import("./outgoing.js").Item} item
   */
  withdraw(item) {
    if (item.sealed !== null) return;
    this.outgoing.remove(item);
    this.#keep();
    this.#changed();
  }

  /**
   * A file's bytes, decrypted.
   *
   * @param {import("./files.js").FileCard} card
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {ChatError | E2eError}
   */
  async fetchFile(card) {
    const get = this.#options.fetch ?? globalThis.fetch.bind(globalThis);
    const answer = await get(`/files/${card.id}`, { headers: { authorization: `Bearer ${this.#session?.token}` }, cache: "no-store" });
    if (!answer.ok) throw new ChatError("file_not_found", "The server does not have this file any more.");
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return this.mode === "server" ? bytes : /** @type {RoomCipher} */ (this.#cipher).openFile(card.epoch, bytes);
  }

  /** Leaves the room for good. */
  leave() {
    if (this.phase === "in") this.#connection.say({ type: "LeaveRoom" });
    this.#finish("left", "You have left the room.");
  }

  /** Ends the room for everybody; the owner's right. */
  async closeRoom() {
    try {
      await this.#connection.ask({ type: "CloseRoom" });
      this.#finish("owner_closed", "You have closed the room.");
    } catch (error) {
      // It may have heard that it is closed, like everybody, before it heard that it was it who did it.
      if (this.phase !== "over") this.#line("warning", `The room is not closed: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** The phase may be another after a pause. @param {string} phase */
  #is(phase) {
    return this.phase === phase;
  }

  // ---- entering ----

  async #enter() {
    if (this.#session) {
      await this.#drained();
      if (await this.#resume()) return;
    }
    const create = this.#door.entry.how === "create" && !this.info;
    const answer = create ? await this.#door.create() : await this.#door.join();
    if (answer === null) return;
    await this.#entered(answer);
    if (create) await this.#keeper?.draw();
    this.#arrived();
    if (!create && this.#keeper && this.members.size === 1) this.#line("warning", "Nobody who has the room's key is here. Wait until a member comes back, or make a new room.");
  }

  /** @param {any} answer `RoomCreated` or `RoomJoined` */
  async #entered(answer) {
    const { pair, roomKey } = this.#door;
    this.#install(answer);
    this.myName = answer.name ?? this.myName;
    this.#counters = new Counters();
    this.#delivery.reset();
    this.#locked = [];
    this.#joinedSeq = answer.seq ?? 0;
    this.#session = { token: answer.session_token, seq: this.#joinedSeq };
    this.#cipher = new RoomCipher(this.info.id);
    this.#keeper = pair && new Keeper(this.#keepersHouse(), pair);
    const key = this.mode === "server" ? fromBase64(answer.encryption_key) : roomKey;
    if (key) await this.#cipher.addKey(0, key);
  }

  /** @returns {Promise<boolean>} false when the server does not know us any more */
  async #resume() {
    const session = /** @type {{ token: string, seq: number }} */ (this.#session);
    let answer;
    try {
      answer = await this.#connection.ask({ type: "ResumeSession", session_token: session.token, last_seq: session.seq });
    } catch (error) {
      if (!(error instanceof ChatError) || !["resume_failed", "room_not_found"].includes(error.code)) throw error;
      this.#session = null;
      return false;
    }
    const before = new Map(this.members);
    this.#door.check(answer);
    if (answer.room_info.id !== this.info.id) throw notAsPromised();
    session.token = answer.session_token;
    this.#install(answer);
    this.#catchingUp = true;
    if (this.mode === "server" && !this.hasKey) await this.#cipher?.addKey(0, fromBase64(answer.encryption_key) ?? new Uint8Array());
    if (answer.gap === true) {
      this.#counters = new Counters();
      this.#line("warning", "You were away for long: some messages in between are not here.");
      if ([...before.keys()].some((id) => !this.members.has(id))) this.#keeper?.wantRekey();
    }
    this.#arrived();
    await this.#keeper?.back();
    // What is repeated to us comes before this answer; then it is clear what did not arrive.
    await this.#connection.ask({ type: "Ping" });
    await this.#drained();
    this.#catchingUp = false;
    this.#delivery.run();
    if (this.#keeper && !this.hasKey && this.members.size > 1) this.#keyTimer = this.#around.setTimeout(() => this.#askForKey(), KEY_PATIENCE);
    return true;
  }

  /** A key that was handed over while we were away is not repeated; who comes anew gets it again. */
  async #askForKey() {
    if (this.phase !== "in" || this.hasKey || this.isOwner) return;
    await this.#connection.ask({ type: "LeaveRoom" }).catch(() => {});
    this.#session = null;
    this.#connection.drop("rejoin");
  }

  /** @param {any} answer */
  #install(answer) {
    const { room_info: info, members } = answer;
    this.info = info;
    this.me = answer.participant_id;
    this.epoch = info.encryption.epoch ?? 0;
    this.members = new Map(members.map((/** @type {Member} */ member) => [member.participant_id, member]));
  }

  #arrived() {
    const first = this.phase === "entering";
    this.phase = "in";
    this.#keep();
    this.#changed();
    if (first) this.dispatchEvent(new Event("entered"));
    this.#read();
    this.#delivery.run();
  }

  /** @param {any} error */
  async #refused(error) {
    if (this.phase === "over") return;
    const { code, message, retryAfter } = error;
    if (code === "broken") return;
    if (this.phase === "away" && ["rate_limited", "server_busy"].includes(code)) {
      await this.#wait(retryAfter ?? SHORT_WAIT);
      return;
    }
    if (code === "name_taken" && this.info !== null && this.#names < MAX_NAMES) {
      // The server took us back and its answer was lost: it still holds the seat of who we were.
      this.#names += 1;
      this.#door.entry.myName = `${[...this.myName].slice(0, 28).join("")} ${this.#names}`;
      return;
    }
    if (error instanceof ChatError || error instanceof E2eError) {
      const gone = code === "room_not_found" && this.info !== null;
      this.#finish(code, gone ? "The room does not exist any more: it was closed, or the server was started again." : message);
    } else {
      console.error(error);
      this.#finish("bug", `Something went wrong in this page: ${error}`);
    }
  }

  // ---- the connection ----

  /** @param {boolean} [up] */
  #wake(up = this.#upNow) {
    this.#upNow = up;
    this.#wakeUp?.();
    this.#wakeUp = null;
  }

  #down() {
    this.#connections += 1;
    this.#around.clearTimeout(this.#keyTimer);
    this.#keeper?.stop();
    if (this.phase === "in") this.phase = "away";
    this.#wake(false);
    this.#changed();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #ended(code, reason) {
    if (this.phase === "over") return;
    const elsewhere = code === 1008 && reason.startsWith("Resumed");
    this.#finish(elsewhere ? "elsewhere" : "ended", elsewhere ? "This chat goes on in another tab." : `The server has ended the connection. ${reason}`.trim());
  }

  /**
   * @param {string} code
   * @param {string} message
   */
  #finish(code, message) {
    if (this.phase === "over") return;
    this.phase = "over";
    this.end = { code, message };
    this.#around.clearTimeout(this.#keyTimer);
    this.#keeper?.stop();
    this.#storage?.removeItem(KEPT);
    this.#connection.close();
    this.#wake(false);
    this.#changed();
    this.dispatchEvent(new Event("over"));
  }

  // ---- what comes in ----

  /** @param {any} message */
  #heard(message) {
    if (typeof message.seq === "number" && this.#session) {
      // The server repeats what it is not sure that we have.
      if (message.seq <= this.#session.seq) return;
      this.#session.seq = message.seq;
    }
    this.#inbox.push(message);
    this.#read();
  }

  /** One at a time: decrypting takes turns with other things, and the order must stay. */
  async #read() {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#inbox.length > 0 && this.phase !== "over" && this.phase !== "entering") {
      try {
        await this.#take(this.#inbox.shift());
      } catch (error) {
        console.error(error);
      }
    }
    this.#reading = false;
    this.dispatchEvent(new Event("drained"));
  }

  async #drained() {
    while (this.#reading) await new Promise((resolve) => this.addEventListener("drained", resolve, { once: true }));
  }

  /** @param {any} message */
  async #take(message) {
    switch (message.type) {
      case "ChatMessage": return this.#takeMessage(message);
      case "ParticipantJoined": return this.#memberCame(message);
      case "ParticipantLeft": return this.#memberWent(message);
      case "Members":
        this.members = new Map(message.members.map((/** @type {Member} */ member) => [member.participant_id, member]));
        return this.#changed();
      case "KeyShared":
        if (await this.#keeper?.receive(message) === false) this.#line("warning", "A key was handed over that does not fit; it is not used.");
        return;
      case "EpochChanged": return this.#epochChanged(message.epoch);
      case "RoomClosed": return this.#finish(message.reason, CLOSED[message.reason] ?? "The room is closed.");
      case "Error": return this.#line("warning", String(message.message));
      default: // Of the future.
    }
  }

  /** @param {any} message */
  async #takeMessage(message) {
    const own = message.sender_id === this.me;
    const item = this.outgoing.first;
    if (own && item?.sealed && item.sealed === message.content) {
      this.#counters.see(this.me, /** @type {number} */ (item.ctr));
      this.outgoing.remove(item);
      this.#keep();
      this.#message(message, item.text, item.card);
      this.#changed();
      this.#connection.answer(receiptId(item), message);
      return;
    }
    let plaintext;
    try {
      plaintext = await /** @type {RoomCipher} */ (this.#cipher).open(message.content, message.sender_id);
    } catch (error) {
      this.#unreadable(message, /** @type {E2eError} */ (error));
      return;
    }
    const { fresh, missing } = this.#counters.see(message.sender_id, plaintext.ctr);
    if (!fresh) return;
    if (missing > 0) this.#line("warning", `${missing === 1 ? "A message" : `${missing} messages`} from ${message.sender} before this did not arrive.`);
    this.#keeper?.hasKey(message.sender_id);
    if (own) this.#delivery.sent = Math.max(this.#delivery.sent, plaintext.ctr);
    if (plaintext.kind === "text") {
      this.#message(message, plaintext.body, null);
    } else if (plaintext.kind === "file") {
      const card = asFileCard(plaintext.file) ?? cardFromText(plaintext.body);
      this.#message(message, card?.name ?? plaintext.body, card);
    } else {
      this.#line("notice", `${message.sender} sent something that this page cannot show (${plaintext.kind}).`);
    }
  }

  /**
   * @param {any} message
   * @param {E2eError} error
   */
  #unreadable(message, error) {
    if (error.code === "no_key" && this.#keeper) {
      if (this.#locked.push(message) > MAX_LOCKED) this.#locked.shift();
      this.#changed();
      return;
    }
    const text = error.code === "not_an_envelope"
      ? `${message.sender} sent a message that this page cannot read: it is encrypted in another way, or not at all.`
      : `A message that is said to be from ${message.sender} could not be verified and is not shown.`;
    this.#line("warning", text);
  }

  /** How many messages cannot be read until the key comes. */
  get locked() {
    return this.#locked.length;
  }

  /** @param {any} message */
  #memberCame({ participant_id, name, public_key }) {
    const member = { participant_id, name, is_owner: false, public_key: public_key ?? null };
    if (!this.members.has(participant_id)) this.members.set(participant_id, member);
    this.#line("notice", `${name} is here.`);
    // An owner who was away for long comes like anybody else; the list says who it is.
    if (!this.#hasOwner()) this.#connection.say({ type: "GetMembers" });
    this.#keeper?.joined(/** @type {Member} */ (this.members.get(participant_id)));
    this.#changed();
  }

  /** @param {any} message */
  #memberWent({ participant_id, name, reason }) {
    this.members.delete(participant_id);
    this.#line("notice", { timeout: `${name} has lost the connection.`, kicked: `${name} was removed.` }[/** @type {string} */ (reason)] ?? `${name} has left.`);
    this.#keeper?.left(participant_id);
    if (this.#keeper && !this.#hasOwner()) {
      this.#line("warning", "The owner is not here, so the room keeps its key: whoever has left could still read along with the server's help.");
    }
    this.#changed();
  }

  #hasOwner() {
    return [...this.members.values()].some((member) => member.is_owner);
  }

  /** @param {number} epoch */
  async #epochChanged(epoch) {
    // Only these rooms have more than one key.
    if (!this.#keeper || !Number.isSafeInteger(epoch)) return;
    // After a reload, older ones are told again.
    this.epoch = Math.max(this.epoch, epoch);
    await this.#keeper.epochChanged(epoch);
    this.#connection.answer(rekeyId(epoch), { type: "EpochChanged" });
    this.#line("notice", "The room has a new key: whoever has left cannot read what follows.");
    this.#keep();
    this.#changed();
    this.#delivery.run();
  }

  // ---- what goes out ----

  /** @param {{ text: string, file?: File }} what */
  #queue(what) {
    if (this.phase === "over") throw new ChatError("ended", "The room is over.");
    if (!this.outgoing.add(what)) throw new ChatError("queue_full", "Too much waits to be sent already.");
    this.#keep();
    this.#changed();
    this.#delivery.run();
  }

  // ---- lines, storage, small things ----

  /**
   * @param {any} message
   * @param {string} text
   * @param {import("./files.js").FileCard | null} file
   */
  #message(message, text, file) {
    const own = message.sender_id === this.me;
    const from = own ? this.myName : String(message.sender);
    this.#add({ kind: "message", text, from, own, at: new Date(message.sent_at ?? Date.now()), file, live: !this.#catchingUp });
  }

  /**
   * @param {"notice" | "warning"} kind
   * @param {string} text
   */
  #line(kind, text) {
    this.#add({ kind, text, from: "", own: false, at: new Date(), file: null, live: !this.#catchingUp });
  }

  /** @param {Omit<Line, "id">} line */
  #add(line) {
    const whole = { ...line, id: ++this.#lastLine };
    this.lines.push(whole);
    if (this.lines.length > MAX_LINES) this.lines.shift();
    this.dispatchEvent(new CustomEvent("line", { detail: whole }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} ms */
  #wait(ms) {
    return new Promise((resolve) => this.#around.setTimeout(() => resolve(undefined), ms));
  }

  /** @returns {import("./door.js").House} */
  #doorsHouse() {
    return {
      ask: (message) => this.#connection.ask(message),
      askSecret: async (question) => {
        const secret = await this.#options.askSecret?.(question);
        if (!secret) throw new ChatError("cancelled", "");
        return secret;
      },
      busy: (text) => {
        this.busy = text;
        this.#changed();
      },
    };
  }

  /** @returns {import("./delivery.js").House} */
  #deliverysHouse() {
    return {
      cipher: () => this.#cipher,
      now: () => ({ me: this.me, epoch: this.epoch, sealsFiles: this.mode !== "server" }),
      // What is repeated first may be the receipt of what would be sent again.
      ready: () => this.phase === "in" && !this.#catchingUp && this.hasKey,
      ask: (message, id) => this.#connection.ask(message, id),
      wait: (ms) => this.#wait(ms),
      keep: () => this.#keep(),
      failed: (item, why) => {
        this.#line("warning", `This was not sent (${why}): ${item.text}`);
        this.#changed();
      },
    };
  }

  /** @returns {import("./keeper.js").House} */
  #keepersHouse() {
    return {
      roomId: () => this.info.id,
      me: () => this.me,
      members: () => [...this.members.values()],
      epoch: () => this.epoch,
      ask: (message, id) => this.#connection.ask(message, id),
      mention: (message) => this.#connection.mention(message),
      keyCame: (epoch, key) => this.#keyCame(epoch, key),
      changed: () => this.#keep(),
      setTimeout: this.#around.setTimeout,
      clearTimeout: this.#around.clearTimeout,
    };
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} key
   */
  async #keyCame(epoch, key) {
    await this.#cipher?.addKey(epoch, key);
    const locked = this.#locked;
    this.#locked = [];
    for (const message of locked) await this.#takeMessage(message);
    this.#changed();
    this.#delivery.run();
  }

  /**
   * Keeps what a reloaded page needs, in this tab and until it is closed. It is written in order: the
   * newest state is the last.
   */
  #keep() {
    if (!this.#storage || this.phase === "over" || !this.#session) return;
    this.#keepAgain = true;
    if (!this.#keeping) this.#write();
  }
  async #write() {
    this.#keeping = true;
    while (this.#keepAgain && this.phase !== "over") {
      this.#keepAgain = false;
      const door = await this.#door.toJSON();
      if (this.#is("over") || !this.#session) continue;
      const kept = {
        v: 1, door, keeper: this.#keeper, token: this.#session.token, joinedSeq: this.#joinedSeq, info: this.info, me: this.me, myName: this.myName,
        sent: this.#delivery.sent, outgoing: this.outgoing,
      };
      try {
        this.#storage?.setItem(KEPT, JSON.stringify(kept));
      } catch {
        // Full or forbidden: then a reload begins anew.
      }
    }
    this.#keeping = false;
  }

  /** @param {any} kept */
  async #restore(kept) {
    this.info = kept.info;
    this.me = kept.me;
    this.myName = kept.myName;
    this.#delivery.sent = kept.sent;
    this.#joinedSeq = kept.joinedSeq;
    this.#session = { token: kept.token, seq: kept.joinedSeq };
    this.#cipher = new RoomCipher(this.info.id);
    this.#door = await Door.fromJSON(kept.door, this.#doorsHouse());
    const { pair, roomKey } = this.#door;
    if (roomKey) await this.#cipher.addKey(0, roomKey);
    if (!pair) return;
    this.#keeper = new Keeper(this.#keepersHouse(), pair);
    await this.#keeper.restore(kept.keeper);
  }
}

const CLOSED = /** @type {Record<string, string>} */ ({
  owner_closed: "The owner has closed the room.",
  empty: "The room is closed: nobody was in it any more.",
  expired: "The room is closed: nothing was said for a day.",
  shutdown: "The server is shutting down.",
});

function ownStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

/** @param {Location} location */
function ownAddress(location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/chat`;
}
