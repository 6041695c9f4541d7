// End-to-end encryption of chat rooms, with nothing but the browser's WebCrypto.
//
//   const { roomKey, proof, check } = await deriveSecrets("link-v1", secret, params);
//   const cipher = new RoomCipher(roomId);
//   await cipher.addKey(0, roomKey);
//   const envelope = await cipher.seal(0, me, { v: 1, kind: "text", body: "Hello", ctr: 1 });
//
// `proof` opens the room's door at the server, which cannot get from it to the key. `secrets.js` has the
// schemes `link-v1` and `passphrase-v1`, `wrap.js` has `wrap-v1`, `envelope.js` messages and files.

export { fromBase64, fromBase64Url, randomBytes, toBase64, toBase64Url } from "./e2e/bytes.js";
export { Counters, FILE_OVERHEAD, MAX_ENVELOPE, parseEnvelope, RoomCipher } from "./e2e/envelope.js";
export { E2eError } from "./e2e/error.js";
export { deriveSecrets, isLongEnough, newLinkSecret, newParams, newPassphrase, SECRET_BYTES } from "./e2e/secrets.js";
export { KeyPair, safetyCode } from "./e2e/wrap.js";

/** Browsers have WebCrypto only on HTTPS and on this very machine (`localhost`). */
export function isAvailable() {
  return globalThis.crypto?.subtle !== undefined;
}
