// Pictures for tests, made on the spot.

import { crc32, deflateSync } from "node:zlib";

/**
 * A PNG of some colours.
 *
 * @param {number} width in pixels
 * @param {number} height
 * @param {(x: number, y: number) => number[]} colorAt red, green and blue, 0 to 255
 * @returns {Buffer}
 */
export function png(width, height, colorAt) {
  const line = 1 + 3 * width;
  const pixels = Buffer.alloc(line * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set(colorAt(x, y), y * line + 1 + 3 * x);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))]);
}

/** @param {string} type @param {Buffer} data */
function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
