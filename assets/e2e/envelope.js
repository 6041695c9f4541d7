// Messages and files under a room's keys.

import { fromBase64Url, joined, randomBytes, toBase64Url, utf8 } from "./bytes.js";
import { E2eError } from "./error.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The server takes no longer ones. */
export const MAX_ENVELOPE = 64 * 1024;
/** What encrypting adds to a file. */
export const FILE_OVERHEAD = NONCE_BYTES + TAG_BYTES;

const ENVELOPE = /^E1\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{23,})$/;

/**
 * @typedef {object} Plaintext
 * @property {1} v
 * @property {string} kind `text` or `file`; others are of the future
 * @property {string} body
 * @property {number} ctr counts one sender's messages, from 1
 *
 * @typedef {{ epoch: number, nonce: Uint8Array<ArrayBuffer>, ciphertext: Uint8Array<ArrayBuffer> }} Envelope
 */

/**
 * Takes an envelope apart; does not decrypt it.
 *
 * @param {unknown} content
 * @returns {Envelope | null}
 */
export function parseEnvelope(content) {
  const parts = typeof content === "string" && content.length <= MAX_ENVELOPE ? ENVELOPE.exec(content) : null;
  if (parts === null) return null;
  const nonce = fromBase64Url(parts[2], NONCE_BYTES);
  const ciphertext = fromBase64Url(parts[3]);
  if (nonce === null || ciphertext === null) return null;
  return { epoch: Number(parts[1]), nonce, ciphertext };
}

/** The keys of one room by epoch, and what is done with them. */
export class RoomCipher {
  #roomId;
  /** @type {Map<number, CryptoKey>} */ #keys = new Map();

  /** @param {string} roomId */
  constructor(roomId) {
    this.#roomId = roomId;
  }

  /**
   * The first key of an epoch counts; nobody can put another in its place.
   *
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} bytes 32
   */
  async addKey(epoch, bytes) {
    if (bytes.length !== 32) throw new E2eError("bad_key", "A room's key has 32 bytes.");
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    if (!this.#keys.has(epoch)) this.#keys.set(epoch, key);
  }

  /** @param {number} epoch */
  hasKey(epoch) {
    return this.#keys.has(epoch);
  }

  /**
   * @param {number} epoch
   * @param {string} sender the participant that the message is from
   * @param {Plaintext} plaintext
   * @param {Uint8Array<ArrayBuffer>} [nonce] only tests choose it
   * @returns {Promise<string>} the envelope
   */
  async seal(epoch, sender, plaintext, nonce = randomBytes(NONCE_BYTES)) {
    const ciphertext = await this.#encrypt(epoch, nonce, this.#messageData(epoch, sender), utf8(JSON.stringify(plaintext)));
    return `E1.${epoch}.${toBase64Url(nonce)}.${toBase64Url(ciphertext)}`;
  }

  /**
   * @param {unknown} content
   * @param {string} sender who the server says it is from; a lie does not decrypt
   * @returns {Promise<Plaintext & Record<string, unknown>>}
   * @throws {E2eError} `not_an_envelope`, `no_key`, `forged`, `malformed`
   */
  async open(content, sender) {
    const envelope = parseEnvelope(content);
    if (envelope === null) throw new E2eError("not_an_envelope", "This message is not encrypted in a way that this page knows.");
    const { epoch, nonce, ciphertext } = envelope;
    return asPlaintext(await this.#decrypt(epoch, nonce, this.#messageData(epoch, sender), ciphertext));
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async sealFile(epoch, bytes, nonce = randomBytes(NONCE_BYTES)) {
    return joined(nonce, await this.#encrypt(epoch, nonce, this.#fileData(epoch), bytes));
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} sealed
   * @throws {E2eError} `no_key`, `forged`
   */
  openFile(epoch, sealed) {
    return this.#decrypt(epoch, sealed.subarray(0, NONCE_BYTES), this.#fileData(epoch), sealed.subarray(NONCE_BYTES));
  }

  /**
   * @param {number} epoch
   * @param {string} sender
   */
  #messageData(epoch, sender) {
    return utf8(`vtt/e2e/v1|${this.#roomId}|${epoch}|${sender}`);
  }

  /** @param {number} epoch */
  #fileData(epoch) {
    return utf8(`vtt/e2e/v1/file|${this.#roomId}|${epoch}`);
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} iv
   * @param {Uint8Array<ArrayBuffer>} additionalData
   * @param {Uint8Array<ArrayBuffer>} plain
   */
  async #encrypt(epoch, iv, additionalData, plain) {
    return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, this.#key(epoch), plain));
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} iv
   * @param {Uint8Array<ArrayBuffer>} additionalData
   * @param {Uint8Array<ArrayBuffer>} sealed
   */
  async #decrypt(epoch, iv, additionalData, sealed) {
    const key = this.#key(epoch);
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, sealed));
    } catch {
      throw new E2eError("forged", "This does not decrypt: it was changed on its way, or is from somebody else than it says.");
    }
  }

  /** @param {number} epoch */
  #key(epoch) {
    const key = this.#keys.get(epoch);
    if (!key) throw new E2eError("no_key", "The key of this message is not here.");
    return key;
  }
}

/**
 * What the last numbers of each sender were: shows what was dropped, repeated or put in another order.
 */
export class Counters {
  /** @type {Map<string, number>} */ #last = new Map();

  /**
   * @param {string} sender
   * @param {number} ctr
   * @returns {{ fresh: boolean, missing: number }} `fresh`: not to be dropped; `missing`: how many were
   *   left out before it (of a sender's first message here nothing is known)
   */
  see(sender, ctr) {
    const last = this.#last.get(sender);
    if (last !== undefined && ctr <= last) return { fresh: false, missing: 0 };
    this.#last.set(sender, ctr);
    return { fresh: true, missing: last === undefined ? 0 : ctr - last - 1 };
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function asPlaintext(bytes) {
  let plaintext;
  try {
    plaintext = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    plaintext = null;
  }
  const { v, kind, body, ctr } = plaintext ?? {};
  if (v !== 1 || typeof kind !== "string" || typeof body !== "string" || !Number.isSafeInteger(ctr) || ctr < 1) {
    throw new E2eError("malformed", "This message decrypts, but is not in a form that this page knows.");
  }
  return plaintext;
}
