/**
 * Why something could not be encrypted, decrypted or trusted.
 *
 * `code`: `unavailable` (no WebCrypto here), `bad_parameters` (of the room: they would make the secret
 * weak, or are no parameters), `bad_secret`, `bad_key` (a public or a wrapped one), `not_an_envelope`,
 * `no_key` (for that epoch), `forged` (another key, room, epoch or sender; or changed on its way),
 * `malformed` (decrypted, but not what the format says).
 */
export class E2eError extends Error {
  /**
   * @param {string} code
   * @param {string} message a sentence for people
   */
  constructor(code, message) {
    super(message);
    this.name = "E2eError";
    this.code = code;
  }
}
