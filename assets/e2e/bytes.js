// Bytes, and the two spellings of base64.

/** How many bytes become characters in one call; a longer argument list overflows the stack. */
const CHUNK = 0x8000;

/** @param {string} text */
export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {...Uint8Array<ArrayBuffer>} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {number} length */
export function randomBytes(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The standard alphabet, with padding. @param {Uint8Array<ArrayBuffer>} bytes */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

/**
 * The standard alphabet; padding may be missing.
 *
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer> | null} null when it is not base64
 */
export function fromBase64(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** The alphabet for addresses, without padding. @param {Uint8Array<ArrayBuffer>} bytes */
export function toBase64Url(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Only the one spelling that {@link toBase64Url} writes: two texts never mean the same bytes.
 *
 * @param {unknown} text
 * @param {number} [length] how many bytes it must be
 * @returns {Uint8Array<ArrayBuffer> | null}
 */
export function fromBase64Url(text, length) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) return null;
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (bytes === null || (length !== undefined && bytes.length !== length)) return null;
  return toBase64Url(bytes) === text ? bytes : null;
}
