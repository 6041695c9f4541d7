// End-to-end encryption: the published test vectors, and what an attacker would try.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Counters, deriveSecrets, E2eError, fromBase64, fromBase64Url, isLongEnough, KeyPair, newLinkSecret, newParams, newPassphrase,
  parseEnvelope, randomBytes, RoomCipher, safetyCode, toBase64, toBase64Url,
} from "../../assets/e2e.js";
import { stretch } from "../../assets/e2e/secrets.js";

const from = (first, length) => Uint8Array.from({ length }, (_, i) => first + i);
const SALT = toBase64Url(from(0x00, 16));
const LINK = toBase64Url(from(0x20, 32));
const NONCE = from(0xa0, 12);
const ROOM = "01J00000000000000000000ROOM";
const A = "p-0001";
const B = "p-0002";
const ENVELOPE = "E1.0.oKGio6Slpqeoqaqr.5_l6mrbVJ9brScxVi2asYMdFEOs02F0zXkz6avFqIMv3vhxzy9NjVcGAF2eVqK87iNGvP4dWhazZnC6SmwMcglW7GQ";
const WORDS = "correct horse battery";
const HELLO = { v: 1, kind: "text", body: "Hello World!", ctr: 1 };
const PUBLIC_A = { alg: "P-256", key: "BAIX5hfwtkQ5KCePlpmeaaI6TywVK99tbN9m5bgCgtTtGUp968uXcS0t2jyoWqh2Wlb0X8dYWZZS8ol8ZTBuV5Q" };
const PUBLIC_B = { alg: "P-256", key: "BNZak5d8qj0bCBhS_1ennkZfFmBXcwS66tUF3TpIWJzzUBheiVNy32Ih6joTdVfkc_3bZ1XwW9UHw8Uz_OnJEoU" };
const A_TO_B = { roomId: ROOM, epoch: 0, from: A, to: B };

async function pairOf(byte, publicKey) {
  const raw = fromBase64Url(publicKey.key);
  const [x, y] = [raw.slice(1, 33), raw.slice(33)].map(toBase64Url);
  const d = toBase64Url(new Uint8Array(32).fill(byte));
  return KeyPair.fromJSON({ publicKey, jwk: { kty: "EC", crv: "P-256", x, y, d, ext: true } });
}

const linkSecrets = () => deriveSecrets("link-v1", LINK, { salt: SALT });

async function linkCipher(room = ROOM, epoch = 0) {
  const cipher = new RoomCipher(room);
  await cipher.addKey(epoch, (await linkSecrets()).roomKey);
  return cipher;
}

const refused = (code) => (error) => error instanceof E2eError && error.code === code;

test("vector: a link gives room key, proof and check", async () => {
  const { roomKey, proof, check } = await linkSecrets();
  assert.equal(toBase64Url(roomKey), "br8w2hCvYYKlsFMXrg088GqyvSUiadoZxgcpnpZ_XNw");
  assert.equal(proof, "S7pqm_XyClRgPlpgmFY2wzz22wgjsx-ilULCLPtT3Xo");
  assert.equal(check, "k-8nZePdft8");
});

test("vector: a passphrase gives master, room key, proof and check", async () => {
  assert.equal(toBase64Url(await stretch(WORDS, from(0, 16), 600_000)), "uwbIwLHdW_1OQPTil6LQ5k2n75S0uOwgmJAhyLQVNq0");
  const { roomKey, proof, check } = await deriveSecrets("passphrase-v1", WORDS, { salt: SALT, iterations: 600_000 });
  assert.equal(toBase64Url(roomKey), "zU4BWCxe8eVDwmC9ahVHRFRJV8jHXBXisY6Y4PSBb8M");
  assert.equal(proof, "DWPVxwvkT_ONusfjK1eiZxKZmByyzBSUhR5I9ZKE28I");
  assert.equal(check, "iqQVBq2CYFI");
});

test("vector: the envelope of a text", async () => {
  const cipher = await linkCipher();
  assert.equal(await cipher.seal(0, A, HELLO, NONCE), ENVELOPE);
  assert.deepEqual(await cipher.open(ENVELOPE, A), HELLO);
});

test("vector: the key that wraps, the wrapped key, and the safety code", async () => {
  const [a, b] = [await pairOf(0x11, PUBLIC_A), await pairOf(0x22, PUBLIC_B)];
  const kek = "LBkPAtuwIyh411qhh70RqB9wGTJqYSIibtT8dz3s1qo";
  assert.equal(toBase64Url(await a.wrappingKey(PUBLIC_B, A_TO_B)), kek);
  assert.equal(toBase64Url(await b.wrappingKey(PUBLIC_A, A_TO_B)), kek, "both ends come to the same");
  const { roomKey } = await linkSecrets();
  const wrapped = "oKGio6SlpqeoqaqrXNq6EXRVA32bEJ2B2aaGjaTvrfWzzYMvTCbjxn2Lg0QC7RwQ1osHQyEuiEvdlQVA";
  assert.equal(await a.wrap(roomKey, PUBLIC_B, A_TO_B, NONCE), wrapped);
  assert.deepEqual(await b.unwrap(wrapped, PUBLIC_A, A_TO_B), roomKey);
  assert.equal(await safetyCode(ROOM, PUBLIC_A, PUBLIC_B), "7250 0221 6073");
  assert.equal(await safetyCode(ROOM, PUBLIC_B, PUBLIC_A), "7250 0221 6073", "in either order");
});

test("a message does not move to another room, epoch or sender, and is not changed", async () => {
  const cipher = await linkCipher();
  await assert.rejects(cipher.open(ENVELOPE, B), refused("forged"));
  await assert.rejects((await linkCipher("another room")).open(ENVELOPE, A), refused("forged"));
  await assert.rejects((await linkCipher(ROOM, 1)).open(ENVELOPE.replace("E1.0.", "E1.1."), A), refused("forged"));
  await assert.rejects(cipher.open(ENVELOPE.replace("E1.0.", "E1.1."), A), refused("no_key"));
  for (const at of [6, 24, 40, ENVELOPE.length - 3]) {
    const changed = ENVELOPE.slice(0, at) + (ENVELOPE[at] === "A" ? "B" : "A") + ENVELOPE.slice(at + 1);
    await assert.rejects(cipher.open(changed, A), refused("forged"), `at ${at}`);
  }
  const other = new RoomCipher(ROOM);
  await other.addKey(0, randomBytes(32));
  await assert.rejects(other.open(ENVELOPE, A), refused("forged"));
});

test("only one spelling of an envelope is one", () => {
  assert.equal(parseEnvelope(ENVELOPE).epoch, 0);
  assert.equal(parseEnvelope(ENVELOPE.replace("E1.0.", "E1.999999999.")).epoch, 999_999_999);
  const wrong = [
    "", "hello", null, 7, ENVELOPE.replace("E1", "E2"), ENVELOPE.replace("E1.0.", "E1.00."), ENVELOPE.replace("E1.0.", "E1.-1."),
    ENVELOPE.replace("E1.0.", "E1.1000000000."), ` ${ENVELOPE}`, `${ENVELOPE}\n`, `${ENVELOPE}=`, ENVELOPE.replace("oKGi", "oKG"),
    // The last letter has bits that no byte has.
    `${ENVELOPE.slice(0, -1)}R`,
    // A tag without a byte of text.
    `E1.0.oKGio6Slpqeoqaqr.${toBase64Url(new Uint8Array(16))}`,
    `E1.0.oKGio6Slpqeoqaqr.${"A".repeat(64 * 1024)}`,
  ];
  for (const content of wrong) assert.equal(parseEnvelope(content), null, String(content).slice(0, 80));
});

test("what decrypts but is no message is told apart", async () => {
  const cipher = await linkCipher();
  for (const odd of [null, [], 7, {}, { ...HELLO, v: 2 }, { ...HELLO, ctr: 0 }, { ...HELLO, ctr: 1.5 }, { ...HELLO, body: 7 }, { ...HELLO, kind: null }]) {
    await assert.rejects(cipher.open(await cipher.seal(0, A, odd), A), refused("malformed"), JSON.stringify(odd));
  }
  const future = { ...HELLO, kind: "poll", options: [1] };
  assert.deepEqual(await cipher.open(await cipher.seal(0, A, future), A), future, "unknown fields and kinds are for the reader");
});

test("every message has a nonce of its own", async () => {
  const cipher = await linkCipher();
  const sealed = await Promise.all(Array.from({ length: 200 }, () => cipher.seal(0, A, HELLO)));
  assert.equal(new Set(sealed.map((envelope) => envelope.split(".")[2])).size, 200);
});

test("a file comes back, in its own room and epoch only", async () => {
  const cipher = await linkCipher();
  for (const length of [0, 1, 100_000]) {
    const bytes = new Uint8Array(length).fill(7);
    const sealed = await cipher.sealFile(0, bytes);
    assert.equal(sealed.length, length + 28);
    assert.deepEqual(await cipher.openFile(0, sealed), bytes);
    await assert.rejects((await linkCipher("another room")).openFile(0, sealed), refused("forged"));
  }
  const sealed = await cipher.sealFile(0, randomBytes(50));
  await assert.rejects((await linkCipher(ROOM, 1)).openFile(1, sealed), refused("forged"));
  await assert.rejects(cipher.openFile(0, sealed.subarray(0, 20)), refused("forged"));
  // A message is not a file: their additional data differ.
  const { nonce, ciphertext } = parseEnvelope(ENVELOPE);
  await assert.rejects(cipher.openFile(0, new Uint8Array([...nonce, ...ciphertext])), refused("forged"));
});

test("an epoch's key cannot be put in another's place", async () => {
  const cipher = await linkCipher();
  await cipher.addKey(0, randomBytes(32));
  assert.deepEqual(await cipher.open(ENVELOPE, A), HELLO);
  await assert.rejects(cipher.addKey(1, randomBytes(16)), refused("bad_key"));
});

test("parameters that would make a secret weak are refused", async () => {
  const bad = [
    {}, { salt: SALT }, { salt: SALT, iterations: 599_999 }, { salt: SALT, iterations: 1 }, { salt: SALT, iterations: "600000" },
    { salt: SALT, iterations: 600_000.5 }, { salt: SALT, iterations: 1e9 }, { salt: "", iterations: 600_000 },
    { salt: toBase64Url(from(0, 8)), iterations: 600_000 }, null,
  ];
  for (const params of bad) {
    await assert.rejects(deriveSecrets("passphrase-v1", WORDS, params), refused("bad_parameters"), JSON.stringify(params));
  }
  await assert.rejects(deriveSecrets("link-v1", LINK.slice(1), { salt: SALT }), refused("bad_secret"));
  await assert.rejects(deriveSecrets("link-v1", "", { salt: SALT }), refused("bad_secret"));
});

test("words are the same however they were typed in Unicode", async () => {
  const params = { salt: SALT, iterations: 600_000 };
  const [one, other] = await Promise.all(["\u00e9tang ﬁn", "e\u0301tang fin"].map((words) => deriveSecrets("passphrase-v1", words, params)));
  assert.deepEqual(one, other);
});

test("a wrapped key is for one member, one epoch and one room", async () => {
  for (const alg of ["P-256", "X25519"]) {
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => KeyPair.generate(alg)));
    const roomKey = randomBytes(32);
    const wrapped = await a.wrap(roomKey, b.publicKey, A_TO_B);
    assert.equal(wrapped.length, 80);
    assert.deepEqual(await b.unwrap(wrapped, a.publicKey, A_TO_B), roomKey);
    await assert.rejects(c.unwrap(wrapped, a.publicKey, A_TO_B), refused("bad_key"));
    await assert.rejects(b.unwrap(wrapped, c.publicKey, A_TO_B), refused("bad_key"));
    for (const other of [{ epoch: 1 }, { roomId: "x" }, { from: B }, { to: A }]) {
      await assert.rejects(b.unwrap(wrapped, a.publicKey, { ...A_TO_B, ...other }), refused("bad_key"));
    }
    await assert.rejects(b.unwrap(wrapped.slice(1), a.publicKey, A_TO_B), refused("bad_key"));
    const kept = await KeyPair.fromJSON(JSON.parse(JSON.stringify(await b.toJSON())));
    assert.deepEqual(await kept.unwrap(wrapped, a.publicKey, A_TO_B), roomKey, "a reloaded page has the same keys");
  }
});

test("a public key that is none is refused", async () => {
  const mine = await KeyPair.generate();
  const x25519 = await KeyPair.generate("X25519");
  const notOnTheCurve = toBase64Url(Uint8Array.from([4, ...new Uint8Array(64).fill(1)]));
  const bad = [null, {}, { alg: "P-256" }, { alg: "P-256", key: PUBLIC_A.key.slice(1) }, { alg: "P-256", key: notOnTheCurve }, x25519.publicKey,
    { alg: "RSA", key: PUBLIC_A.key }, { alg: "toString", key: "" }];
  for (const key of bad) {
    await assert.rejects(mine.wrap(randomBytes(32), key, A_TO_B), refused("bad_key"), JSON.stringify(key));
  }
  await assert.rejects(x25519.wrap(randomBytes(32), { alg: "X25519", key: toBase64Url(new Uint8Array(32)) }, A_TO_B), refused("bad_key"));
  await assert.rejects(safetyCode(ROOM, mine.publicKey, bad[3]), refused("bad_key"));
  await assert.rejects(KeyPair.generate("RSA"), refused("unavailable"));
});

test("another key between two members changes their safety code", async () => {
  const [ann, bob, server] = await Promise.all([1, 2, 3].map(() => KeyPair.generate()));
  const honest = await safetyCode(ROOM, ann.publicKey, bob.publicKey);
  assert.match(honest, /^\d{4} \d{4} \d{4}$/);
  assert.notEqual(await safetyCode(ROOM, ann.publicKey, server.publicKey), honest);
  assert.notEqual(await safetyCode("another room", ann.publicKey, bob.publicKey), honest);
});

test("counters show what was dropped, repeated or put in another order", () => {
  const counters = new Counters();
  assert.deepEqual(counters.see(A, 7), { fresh: true, missing: 0 }, "of what was before nothing is known");
  assert.deepEqual(counters.see(A, 8), { fresh: true, missing: 0 });
  assert.deepEqual(counters.see(A, 8), { fresh: false, missing: 0 });
  assert.deepEqual(counters.see(A, 11), { fresh: true, missing: 2 });
  assert.deepEqual(counters.see(A, 9), { fresh: false, missing: 0 });
  assert.deepEqual(counters.see(B, 1), { fresh: true, missing: 0 }, "each sender has numbers of its own");
});

test("base64 has one spelling in addresses, and tolerates missing padding elsewhere", () => {
  for (const length of [0, 1, 2, 3, 100_000]) {
    const bytes = randomBytes(Math.min(length, 65_536));
    assert.deepEqual(fromBase64Url(toBase64Url(bytes)), bytes);
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    assert.deepEqual(fromBase64(toBase64(bytes).replace(/=+$/, "")), bytes);
  }
  for (const text of ["A", "AB", "AA=", "AA==", "+A", "A A", "é", null, 7, "AAAAA"]) assert.equal(fromBase64Url(text), null, String(text));
  for (const text of ["A", "A===", "A A=", "A-A=", null]) assert.equal(fromBase64(text), null, String(text));
  assert.equal(fromBase64Url("AAAA", 2), null);
});

test("what is made for a new room is random and as long as it must be", async () => {
  assert.equal(newLinkSecret().length, 43);
  assert.notEqual(newLinkSecret(), newLinkSecret());
  for (const scheme of ["link-v1", "passphrase-v1"]) {
    const params = newParams(scheme);
    assert.equal(fromBase64Url(params.salt, 16).length, 16);
    await deriveSecrets(scheme, scheme === "link-v1" ? newLinkSecret() : newPassphrase(), params);
  }
  const words = newPassphrase();
  assert.match(words, /^([a-z]{6} ){3}[a-z]{6}$/);
  assert.notEqual(words, newPassphrase());
  for (const good of [words, "correct horse battery staple", "Käse-Brot-Wurst-Essig"]) assert.ok(isLongEnough(good), good);
  for (const poor of ["", WORDS, "a b c d e", "dragon dragon dragon dragon", "correct horse battery on"]) assert.ok(!isLongEnough(poor), poor);
});
