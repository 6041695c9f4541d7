// Files on their way out and in.

/** What the server takes at most, before encrypting. */
export const MAX_FILE = 5 * 1024 * 1024 - 64;
/** Pictures that are too large for that are drawn anew at this size. */
const LONGEST_SIDE = 2560;

/** @typedef {{ id: string, name: string, mime_type: string, size: number, epoch: number }} FileCard travels inside a message */

/**
 * What a browser may show as a picture, told by its first bytes; never by what the sender calls it,
 * and never SVG, which is a document with scripts.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {string | null}
 */
export function pictureType(bytes) {
  const starts = (/** @type {number[]} */ signature, at = 0) => signature.every((byte, i) => bytes[at + i] === byte);
  if (starts([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "image/png";
  if (starts([0xff, 0xd8, 0xff])) return "image/jpeg";
  if (starts([0x47, 0x49, 0x46, 0x38])) return "image/gif";
  if (starts([0x52, 0x49, 0x46, 0x46]) && starts([0x57, 0x45, 0x42, 0x50], 8)) return "image/webp";
  return null;
}

/**
 * The card of a file as it came out of a message: from another member, so nothing of it is trusted.
 *
 * @param {any} card
 * @returns {FileCard | null}
 */
export function asFileCard(card) {
  const { id, name, mime_type, size, epoch } = card ?? {};
  if (typeof id !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(id) || typeof name !== "string") return null;
  const whole = (/** @type {unknown} */ n) => Number.isSafeInteger(n) && Number(n) >= 0;
  if (!whole(size) || !whole(epoch)) return null;
  return { id, name: fileName(name), mime_type: mimeType(mime_type), size, epoch };
}

/**
 * The card of a file from a program that only writes `[File: map.png](/files/<id>)`.
 *
 * @param {string} body
 * @returns {FileCard | null}
 */
export function cardFromText(body) {
  const found = /^\[File: (.{1,255})\]\(\/files\/([A-Za-z0-9_-]{1,64})\)$/u.exec(body);
  return found && { id: found[2], name: fileName(found[1]), mime_type: mimeType(null), size: 0, epoch: 0 };
}

/** @param {FileCard} card */
export function cardText({ id, name }) {
  return `[File: ${name}](/files/${id})`;
}

/** A name that a file may have anywhere. @param {string} name */
export function fileName(name) {
  const clean = name.replace(/[\u0000-\u001f\u007f/\\]/g, "_").trim();
  return [...clean].slice(0, 255).join("") || "file";
}

/** @param {unknown} type */
export function mimeType(type) {
  return typeof type === "string" && /^[\w.+-]{1,63}\/[\w.+-]{1,63}$/.test(type) ? type : "application/octet-stream";
}

/**
 * A picture that is too large for the server, drawn smaller; anything else as it is.
 *
 * @param {File} file
 * @returns {Promise<File>}
 */
export async function fitting(file) {
  if (file.size <= MAX_FILE || !/^image\/(png|jpeg|webp)$/.test(file.type)) return file;
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  return blob ? new File([blob], file.name.replace(/\.\w+$/, "") + ".jpg", { type: "image/jpeg" }) : file;
}
