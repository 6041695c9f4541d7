// The link that lets somebody into a room. All of it stands in the fragment, which browsers do not send.

import { fromBase64Url, SECRET_BYTES } from "../e2e.js";

/**
 * @typedef {object} Invitation
 * @property {string} joinKey as people read it: `7KQ2-M9XD-4T8B-ZC1F`
 * @property {string | null} secret of `link-v1`: 32 bytes in base64url
 * @property {import("../e2e/secrets.js").Scheme | null} scheme what the room must be; null when the link
 *   does not say so. The server cannot make a room less safe than its link says.
 */

const WRITTEN_DOWN = ["passphrase-v1", "wrap-v1"];

/**
 * A join key as it is shown, from whatever somebody typed.
 *
 * @param {string} text
 * @returns {string | null} null when it is none
 */
export function asJoinKey(text) {
  const letters = text.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL]/g, "1");
  if (!/^[0-9A-HJKMNP-TV-Z]{16}$/.test(letters)) return null;
  return /** @type {string[]} */ (letters.match(/.{4}/g)).join("-");
}

/**
 * Reads a whole link, its fragment alone, or a bare join key.
 *
 * @param {string} text
 * @returns {Invitation | null}
 */
export function readInvitation(text) {
  const bare = asJoinKey(text);
  if (bare !== null) return { joinKey: bare, secret: null, scheme: null };
  const hash = text.indexOf("#");
  if (hash < 0) return null;
  const fields = new URLSearchParams(text.slice(hash + 1).trim());
  const joinKey = asJoinKey(fields.get("j") ?? "");
  if (joinKey === null) return null;
  const secret = fields.get("k");
  if (secret !== null) {
    // Half a key is not the same as none: the room is then not to be joined without it.
    return fromBase64Url(secret, SECRET_BYTES) === null ? null : { joinKey, secret, scheme: "link-v1" };
  }
  const scheme = fields.get("s");
  if (scheme === null) return { joinKey, secret: null, scheme: null };
  return WRITTEN_DOWN.includes(scheme) ? { joinKey, secret: null, scheme: /** @type {any} */ (scheme) } : null;
}

/**
 * @param {Invitation} invitation
 * @param {string} page the address of the chat page
 */
export function writeInvitation({ joinKey, secret, scheme }, page) {
  const rest = secret !== null ? `&k=${secret}` : scheme !== null ? `&s=${scheme}` : "";
  return `${page}#j=${joinKey}${rest}`;
}
