/**
 * Encodes a path for use in an address, segment by segment.
 *
 * @param {...string} parts paths, empty ones are left out
 */
export function encodePath(...parts) {
  return parts
    .flatMap((part) => part.split("/"))
    .filter((segment) => segment !== "")
    .map(encodeURIComponent)
    .join("/");
}

/**
 * Minutes and seconds as `03:07`, with hours `1:02:09`; unknown is a dash.
 *
 * @param {number | null | undefined} seconds
 */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–:–";
  // A sound of 0.4 s is not one of no length.
  const whole = seconds > 0 ? Math.max(1, Math.round(seconds)) : 0;
  return position(whole);
}

/**
 * A place in a sound: like {@link clock}, but never rounded up.
 *
 * @param {number} seconds
 */
export function position(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

/**
 * Bytes in the largest unit that gives at least one.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/**
 * A number with its noun.
 *
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

/** @param {string} name */
export function isFilm(name) {
  return /\.(mp4|webm)$/i.test(name);
}

/**
 * Groups by folder: the top first, then folder by folder; folders without anything are kept.
 *
 * @template T
 * @param {T[]} items
 * @param {(item: T) => string | null | undefined} folderOf
 * @param {string[]} [folders]
 * @returns {[string, T[]][]}
 */
export function byFolder(items, folderOf, folders = []) {
  /** @type {Map<string, T[]>} */
  const groups = new Map(folders.map((folder) => [folder, []]));
  for (const item of items) {
    const folder = folderOf(item) ?? "";
    const group = groups.get(folder);
    if (group) group.push(item);
    else groups.set(folder, [item]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
