// From what people share (a link, words) to what machines use: room key, join proof, key check.

import { fromBase64Url, randomBytes, toBase64Url, utf8 } from "./bytes.js";
import { E2eError } from "./error.js";

/** @typedef {"link-v1" | "passphrase-v1" | "wrap-v1"} Scheme */
/** @typedef {{ roomKey: Uint8Array<ArrayBuffer>, proof: string, check: string }} RoomSecrets */

export const SECRET_BYTES = 32;
export const SALT_BYTES = 16;
export const ITERATIONS = 600_000;
/** More than this is no protection any more but a way to stop phones. */
const MOST_ITERATIONS = 10_000_000;
const FEWEST_WORDS = 4;

/** A fresh secret for a link, as it stands in the link. */
export function newLinkSecret() {
  return toBase64Url(randomBytes(SECRET_BYTES));
}

/** What a new room says in public about its key. @param {Scheme} scheme */
export function newParams(scheme) {
  if (scheme === "wrap-v1") return { alg: "P-256" };
  const salt = toBase64Url(randomBytes(SALT_BYTES));
  return scheme === "passphrase-v1" ? { salt, iterations: ITERATIONS } : { salt };
}

/**
 * What all members derive from the shared secret. Passphrases take a second on a phone.
 *
 * The parameters come from the server, which may want to know the words: it gets no proof that would
 * be quick to guess from.
 *
 * @param {Scheme} scheme `link-v1` or `passphrase-v1`
 * @param {string} secret what stands in the link after `k=`, or the words
 * @param {{ salt?: unknown, iterations?: unknown }} params
 * @returns {Promise<RoomSecrets>}
 * @throws {E2eError} `bad_parameters`, `bad_secret`
 */
export async function deriveSecrets(scheme, secret, params) {
  const salt = fromBase64Url(params?.salt, SALT_BYTES);
  if (salt === null) throw new E2eError("bad_parameters", "The room's parameters are not valid: its salt is missing or has another length.");
  const master = scheme === "passphrase-v1" ? await stretch(secret, salt, params.iterations) : fromBase64Url(secret, SECRET_BYTES);
  if (master === null) throw new E2eError("bad_secret", "The key in the link is incomplete. Copy the whole link again.");
  const key = await crypto.subtle.importKey("raw", master, "HKDF", false, ["deriveBits"]);
  const derive = async (/** @type {string} */ purpose, /** @type {number} */ bytes) => {
    const info = utf8(`vtt/e2e/v1/${purpose}`);
    return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, bytes * 8));
  };
  return {
    roomKey: await derive("room-key", 32),
    proof: toBase64Url(await derive("join-proof", 32)),
    check: toBase64Url(await derive("key-check", 8)),
  };
}

/**
 * @param {string} words
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {unknown} iterations
 */
export async function stretch(words, salt, iterations) {
  if (!Number.isSafeInteger(iterations) || Number(iterations) < ITERATIONS || Number(iterations) > MOST_ITERATIONS) {
    throw new E2eError("bad_parameters", `The room asks to stretch the words ${iterations} times; at least ${ITERATIONS} are safe.`);
  }
  const key = await crypto.subtle.importKey("raw", utf8(words.normalize("NFKC")), "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: Number(iterations) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, SECRET_BYTES * 8));
}

/**
 * Whether words may be used for a new room: at least four different ones of three letters or more.
 * That is a floor, not a measure; {@link newPassphrase} makes good ones.
 *
 * @param {string} words
 */
export function isLongEnough(words) {
  const different = new Set(words.normalize("NFKC").toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => [...word].length >= 3));
  return different.size >= FEWEST_WORDS;
}

// Sixteen consonants and four vowels: six bits a syllable, no look-alikes, sayable in most tongues.
const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aiou";

/**
 * Four made-up words that are easy to say, 72 random bits together.
 *
 * @returns {string}
 */
export function newPassphrase() {
  const syllable = (/** @type {number} */ byte) => CONSONANTS[byte & 15] + VOWELS[(byte >> 4) & 3];
  const syllables = [...randomBytes(12)].map(syllable);
  const words = [0, 3, 6, 9].map((at) => syllables.slice(at, at + 3).join("")).join(" ");
  return isLongEnough(words) ? words : newPassphrase();
}
