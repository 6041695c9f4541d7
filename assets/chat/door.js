// The way into a room: what is asked of the server, what of the visitor, and what must be true.

import { deriveSecrets, E2eError, fromBase64, KeyPair, newLinkSecret, newParams, toBase64 } from "../e2e.js";

/**
 * @typedef {"server" | import("../e2e/secrets.js").Scheme} Mode `server`: the server has the key
 *
 * @typedef {{ what: "password" | "passphrase", again: boolean }} Question
 *
 * @typedef {object} Entry how the room is entered
 * @property {"create" | "join"} how
 * @property {Mode | null} mode of the room; joining: what the invitation promises, null when nothing
 * @property {string} [name] of a new room
 * @property {string} [description]
 * @property {string | null} [joinKey]
 * @property {string | null} [secret] of the link
 * @property {string | null} [passphrase]
 * @property {string | null} [password] of the door
 * @property {string} myName
 *
 * @typedef {object} House what a door needs of its room
 * @property {(message: Record<string, unknown>) => Promise<any>} ask
 * @property {(question: Question) => Promise<string>} askSecret fails when the visitor thinks better of it
 * @property {(text: string) => void} busy tells what takes a moment
 */

export class Door {
  entry;
  /** This member's keys, where keys are handed from member to member. @type {KeyPair | null} */ pair = null;
  #house;
  /** Of a created room; made once, however often it is tried. @type {any} */ #params = null;
  /** Derived from the link or the words, which takes long. @type {import("../e2e/secrets.js").RoomSecrets | null} */ #secrets = null;

  /**
   * @param {Entry} entry
   * @param {House} house
   */
  constructor(entry, house) {
    this.entry = entry;
    this.#house = house;
  }

  /** As it is kept while a page reloads. */
  async toJSON() {
    const secrets = this.#secrets && { ...this.#secrets, roomKey: toBase64(this.#secrets.roomKey) };
    return { entry: this.entry, secrets, pair: this.pair && await this.pair.toJSON() };
  }

  /**
   * @param {any} kept
   * @param {House} house
   */
  static async fromJSON({ entry, secrets, pair }, house) {
    const door = new Door(entry, house);
    if (secrets) door.#secrets = { ...secrets, roomKey: fromBase64(secrets.roomKey) };
    if (pair) door.pair = await KeyPair.fromJSON(pair);
    return door;
  }

  /** The room's key as the link or the words give it. */
  get roomKey() {
    return this.#secrets?.roomKey ?? null;
  }

  /** @returns {Promise<any>} `RoomCreated` */
  async create() {
    const { entry } = this;
    const { mode, name, description = "", password, myName } = entry;
    const asked = /** @type {any} */ ({ type: "CreateRoom", name, description, owner_name: myName, password: password || null });
    if (mode && mode !== "server") {
      const params = (this.#params ??= newParams(mode));
      if (mode === "wrap-v1") {
        this.pair ??= await KeyPair.generate();
        asked.public_key = this.pair.publicKey;
      } else {
        if (mode === "link-v1") entry.secret ??= newLinkSecret();
        this.#secrets ??= await this.#derive(mode, params);
        asked.password = this.#secrets.proof;
      }
      asked.encryption = { mode: "client", scheme: mode, params, key_check: this.#secrets?.check ?? null };
    }
    const answer = await this.#house.ask(asked);
    this.#opened(answer, mode ?? "server");
    const me = { participant_id: answer.participant_id, name: answer.name ?? "Owner", is_owner: true, public_key: this.pair?.publicKey ?? null };
    return { ...answer, members: [me] };
  }

  /** @returns {Promise<any>} `RoomJoined`, or null: there is another secret to try */
  async join() {
    const { entry } = this;
    const { encryption, has_password } = await this.#house.ask({ type: "PeekRoom", join_key: entry.joinKey });
    const mode = modeOf(encryption);
    if (entry.mode && mode !== entry.mode) throw notAsPromised();
    const asked = /** @type {any} */ ({ type: "JoinRoom", join_key: entry.joinKey, name: entry.myName, password: null, supports: ["e2e-v1"] });
    if (mode === "link-v1" || mode === "passphrase-v1") {
      this.#secrets ??= await this.#joinSecrets(mode, encryption);
      asked.password = this.#secrets.proof;
    } else {
      if (has_password) entry.password ??= await this.#house.askSecret({ what: "password", again: false });
      asked.password = entry.password || null;
      if (mode === "wrap-v1") {
        // The same pair as before, if there was one: who has compared codes need not do it again.
        this.pair ??= await KeyPair.generate(encryption.params?.alg ?? "P-256");
        asked.public_key = this.pair.publicKey;
      }
    }
    try {
      const answer = await this.#house.ask(asked);
      this.#opened(answer, mode);
      return answer;
    } catch (error) {
      await this.#shut(error, mode);
      return null;
    }
  }

  /**
   * What a server says of a room must be what was promised, also when somebody comes back.
   *
   * @param {any} answer
   */
  check({ room_info: info, encryption_key: key }) {
    const { mode } = this.entry;
    if (modeOf(info?.encryption) !== mode || (mode !== "server" && key !== "")) throw notAsPromised();
  }

  /**
   * @param {any} answer
   * @param {Mode} mode
   */
  #opened(answer, mode) {
    this.entry.mode = mode;
    this.check(answer);
    this.entry.joinKey = answer.room_info.join_key;
    // What is derived from it is enough from now on; people use the same words elsewhere.
    this.entry.passphrase = null;
  }

  /**
   * The door did not open. Asks for what would open it.
   *
   * @param {any} error
   * @param {Mode} mode
   */
  async #shut(error, mode) {
    if (error.code !== "invalid_password" && error.code !== "password_required") throw error;
    if (mode === "link-v1") throw new E2eError("bad_secret", "This link does not open the room. Ask for the link again.");
    this.#secrets = null;
    if (mode === "passphrase-v1") this.entry.passphrase = await this.#house.askSecret({ what: "passphrase", again: true });
    else this.entry.password = await this.#house.askSecret({ what: "password", again: true });
  }

  /**
   * @param {"link-v1" | "passphrase-v1"} mode
   * @param {any} encryption
   */
  async #joinSecrets(mode, { params, key_check }) {
    const { entry } = this;
    if (mode === "link-v1" && !entry.secret) throw new E2eError("bad_secret", "This room needs its whole link: its key stands at the link's end, after k=.");
    if (mode === "passphrase-v1") entry.passphrase ??= await this.#house.askSecret({ what: "passphrase", again: false });
    for (;;) {
      const secrets = await this.#derive(mode, params);
      if (key_check == null || secrets.check === key_check) return secrets;
      if (mode === "link-v1") throw new E2eError("bad_secret", "The key in this link is not the room's. Ask for the link again.");
      entry.passphrase = await this.#house.askSecret({ what: "passphrase", again: true });
    }
  }

  /**
   * @param {"link-v1" | "passphrase-v1"} mode
   * @param {any} params
   */
  async #derive(mode, params) {
    const { secret, passphrase } = this.entry;
    if (mode === "passphrase-v1") this.#house.busy("Making the key from the words");
    try {
      return await deriveSecrets(mode, (mode === "link-v1" ? secret : passphrase) ?? "", params);
    } finally {
      this.#house.busy("");
    }
  }
}

/**
 * @param {any} encryption as the server describes it
 * @returns {Mode}
 */
export function modeOf(encryption) {
  return encryption?.mode === "client" ? encryption.scheme : "server";
}

export function notAsPromised() {
  return new E2eError("bad_parameters", "The server says that this room is encrypted in another way than its link or its creator does. It was not entered.");
}
