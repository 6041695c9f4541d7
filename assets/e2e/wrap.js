// `wrap-v1`: a room's key is handed from member to member, wrapped for one pair of them.

import { fromBase64Url, joined, randomBytes, toBase64Url, utf8 } from "./bytes.js";
import { E2eError } from "./error.js";

/** @typedef {"P-256" | "X25519"} Alg */
/** @typedef {{ alg: Alg, key: string }} PublicKey as it travels: the raw key in base64url */
/** @typedef {{ roomId: string, epoch: number, from: string, to: string }} Handover `from`, `to`: participants */

const ALGS = {
  "P-256": { bytes: 65, params: { name: "ECDH", namedCurve: "P-256" } },
  X25519: { bytes: 32, params: { name: "X25519" } },
};
const NONCE_BYTES = 12;
const WRAPPED_BYTES = NONCE_BYTES + 32 + 16;

/** One member's pair of keys, made for one stay in one room. */
export class KeyPair {
  /**
   * @param {PublicKey} publicKey
   * @param {CryptoKey} privateKey
   */
  constructor(publicKey, privateKey) {
    this.publicKey = publicKey;
    this.privateKey = privateKey;
  }

  /**
   * @param {Alg} [alg] every browser has P-256
   * @throws {E2eError} `unavailable`: X25519 is not everywhere
   */
  static async generate(alg = "P-256") {
    const params = ALGS[alg]?.params;
    if (!params) throw new E2eError("unavailable", `This page does not know keys of the kind "${alg}".`);
    let pair;
    try {
      pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(params, true, ["deriveBits"]));
    } catch {
      throw new E2eError("unavailable", `This browser cannot make ${alg} keys.`);
    }
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return new KeyPair({ alg, key: toBase64Url(raw) }, pair.privateKey);
  }

  /** As it is kept while a page reloads. */
  async toJSON() {
    return { publicKey: this.publicKey, jwk: await crypto.subtle.exportKey("jwk", this.privateKey) };
  }

  /** @param {{ publicKey: PublicKey, jwk: JsonWebKey }} kept */
  static async fromJSON({ publicKey, jwk }) {
    const privateKey = await crypto.subtle.importKey("jwk", jwk, ALGS[publicKey.alg].params, true, ["deriveBits"]);
    return new KeyPair(publicKey, privateKey);
  }

  /**
   * The key under which a room's key goes to or comes from `peer`.
   *
   * @param {PublicKey} peer
   * @param {Handover} handover
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {E2eError} `bad_key`
   */
  async wrappingKey(peer, handover) {
    if (peer?.alg !== this.publicKey.alg) throw new E2eError("bad_key", "The other member's key is of another kind.");
    const { params } = ALGS[peer.alg];
    let shared;
    try {
      const theirs = await crypto.subtle.importKey("raw", rawPublicKey(peer), params, false, []);
      shared = await crypto.subtle.deriveBits({ name: params.name, public: theirs }, this.privateKey, 256);
    } catch {
      throw new E2eError("bad_key", "The other member's key is not valid.");
    }
    // X25519 with a point of small order gives zeros, which everybody knows.
    if (new Uint8Array(shared).every((byte) => byte === 0)) throw new E2eError("bad_key", "The other member's key is not valid.");
    const material = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveBits"]);
    const how = { name: "HKDF", hash: "SHA-256", salt: utf8(handover.roomId), info: about(handover) };
    return new Uint8Array(await crypto.subtle.deriveBits(how, material, 256));
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} roomKey
   * @param {PublicKey} peer
   * @param {Handover} handover from this member to the peer
   * @param {Uint8Array<ArrayBuffer>} [nonce] only tests choose it
   * @returns {Promise<string>}
   */
  async wrap(roomKey, peer, handover, nonce = randomBytes(NONCE_BYTES)) {
    const kek = await this.#aes(peer, handover, "encrypt");
    const how = { name: "AES-GCM", iv: nonce, additionalData: about(handover) };
    return toBase64Url(joined(nonce, new Uint8Array(await crypto.subtle.encrypt(how, kek, roomKey))));
  }

  /**
   * @param {unknown} wrapped
   * @param {PublicKey} peer
   * @param {Handover} handover from the peer to this member
   * @returns {Promise<Uint8Array<ArrayBuffer>>} the room's key
   * @throws {E2eError} `bad_key`
   */
  async unwrap(wrapped, peer, handover) {
    const bytes = fromBase64Url(wrapped, WRAPPED_BYTES);
    if (bytes === null) throw new E2eError("bad_key", "The wrapped key has another length.");
    const kek = await this.#aes(peer, handover, "decrypt");
    const how = { name: "AES-GCM", iv: bytes.subarray(0, NONCE_BYTES), additionalData: about(handover) };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(how, kek, bytes.subarray(NONCE_BYTES)));
    } catch {
      throw new E2eError("bad_key", "The wrapped key is not for this member.");
    }
  }

  /**
   * @param {PublicKey} peer
   * @param {Handover} handover
   * @param {"encrypt" | "decrypt"} use
   */
  async #aes(peer, handover, use) {
    return crypto.subtle.importKey("raw", await this.wrappingKey(peer, handover), "AES-GCM", false, [use]);
  }
}

/**
 * What two members see when nobody has put another key between them: twelve digits in three groups.
 *
 * @param {string} roomId
 * @param {PublicKey} one
 * @param {PublicKey} other
 * @throws {E2eError} `bad_key`
 */
export async function safetyCode(roomId, one, other) {
  const [first, second] = [rawPublicKey(one), rawPublicKey(other)].sort(byBytes);
  const hash = await crypto.subtle.digest("SHA-256", joined(utf8(`vtt/e2e/v1/safety|${roomId}|`), first, second));
  const number = new DataView(hash).getBigUint64(0) % 10n ** 12n;
  return String(number).padStart(12, "0").replace(/(\d{4})(?=\d)/g, "$1 ");
}

/** @param {PublicKey} publicKey */
function rawPublicKey(publicKey) {
  const expected = ALGS[publicKey?.alg]?.bytes;
  const raw = expected === undefined ? null : fromBase64Url(publicKey.key, expected);
  if (raw === null) throw new E2eError("bad_key", "The other member's key is not valid.");
  return raw;
}

/** @param {Handover} handover */
function about({ roomId, epoch, from, to }) {
  return utf8(`vtt/e2e/v1/wrap|${roomId}|${epoch}|${from}|${to}`);
}

/**
 * @param {Uint8Array<ArrayBuffer>} one
 * @param {Uint8Array<ArrayBuffer>} other
 */
function byBytes(one, other) {
  const at = one.findIndex((byte, i) => byte !== other[i]);
  return at < 0 ? one.length - other.length : one[at] - (other[at] ?? -1);
}
