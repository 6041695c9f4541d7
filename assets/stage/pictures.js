// The maps' pictures, decoded as fine as they are looked at, in bounded memory.

import { levelFor, levelsWithin, sizeAt } from "./levels.js";

/**
 * @typedef {import("./levels.js").Size} Size
 * @typedef {"loading" | "ready" | "failed"} PictureState
 * @typedef {{ image: CanvasImageSource, width: number, height: number }} Drawable
 */

/** Bytes of decoded pictures altogether: five maps of 4K as they are, and more of coarser ones. */
const BUDGET = 288 * 1024 * 1024;
/** On phones and the like. */
const SMALL_BUDGET = 96 * 1024 * 1024;
/** A picture is never decoded to more pixels, however large it is. */
const MAX_PIXELS = 2 ** 24;
/** How long a failed picture waits for another attempt, in milliseconds. */
const RETRY = 5_000;
/** How long nobody may look at a picture until it is given up. */
const KEPT = 30_000;
/** So large is a drawing (SVG) whose file tells no size. */
const DRAWING = 1024;

class Picture {
  /** @type {PictureState} */ state = "loading";
  /** The file's own size, in pixels. @type {Size | null} */ size = null;
  /** The file, compressed. @type {Blob | null} */ blob = null;
  /** What is drawn: how often it is halved, and the pixels. @type {{ level: number, bitmap: ImageBitmap } | null} */ decoded = null;
  /** A film plays by itself, a drawing is painted once. @type {{ element: HTMLVideoElement | HTMLCanvasElement, url: string } | null} */ live = null;
  /** Whether decoding is under way. */ busy = false;
  /** The finest that is ever wanted. */ wanted = 0;
  /** When it was looked at last. */ seen = 0;
  /** When it may be asked for again. */ retryAt = 0;
  /** Given up while it was loading. */ gone = false;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  get bytes() {
    return this.decoded ? this.decoded.bitmap.width * this.decoded.bitmap.height * 4 : 0;
  }
}

/** Fires `change` when a picture has come, or comes finer. */
export class Pictures extends EventTarget {
  /** @type {Map<string, Picture>} */ #byUrl = new Map();
  #budget;
  #settle = 0;
  #stopped = false;

  /** @param {{ budget?: number }} [options] */
  constructor({ budget = isSmallDevice() ? SMALL_BUDGET : BUDGET } = {}) {
    super();
    this.#budget = budget;
  }

  /**
   * What to draw for a file, now; and remembers how large it is on the screen.
   *
   * @param {string} url
   * @param {number} scale pixels of the screen for each pixel of the file; 0 when it is out of sight
   * @returns {Drawable | null} null while there is nothing
   */
  look(url, scale) {
    const picture = this.#byUrl.get(url) ?? this.#open(url);
    picture.seen = performance.now();
    if (picture.state === "failed" && performance.now() >= picture.retryAt) this.#load(picture);
    if (picture.size !== null && picture.live === null) {
      const wanted = levelFor(scale, picture.size, MAX_PIXELS);
      if (wanted !== picture.wanted) {
        picture.wanted = wanted;
        this.#soon();
      }
    }
    if (picture.live) return { image: picture.live.element, ...sizeOfLive(picture.live.element) };
    if (picture.decoded === null) return null;
    const { bitmap } = picture.decoded;
    return { image: bitmap, width: bitmap.width, height: bitmap.height };
  }

  /**
   * The size of a file's picture, once it is known.
   *
   * @param {string} url
   * @returns {Size | null}
   */
  sizeOf(url) {
    return this.#byUrl.get(url)?.size ?? null;
  }

  /** @param {string} url @returns {PictureState | null} */
  stateOf(url) {
    return this.#byUrl.get(url)?.state ?? null;
  }

  /** @param {string} url */
  isFilm(url) {
    return this.#byUrl.get(url)?.live?.element instanceof HTMLVideoElement;
  }

  /** Whether a film runs: then every frame is another. */
  get hasFilm() {
    return [...this.#byUrl.values()].some(({ live }) => live?.element instanceof HTMLVideoElement && !live.element.paused);
  }

  /** Bytes of all decoded pictures. */
  get bytes() {
    return [...this.#byUrl.values()].reduce((sum, picture) => sum + picture.bytes, 0);
  }

  /** Asks again for what failed: the server is back. */
  retry() {
    for (const picture of this.#byUrl.values()) if (picture.state === "failed") this.#load(picture);
  }

  /** Gives up what is not on the table any more. @param {Set<string>} urls those that are */
  keep(urls) {
    for (const picture of [...this.#byUrl.values()]) {
      if (!urls.has(picture.url) && performance.now() - picture.seen > KEPT) this.#close(picture);
    }
    const others = [...this.#byUrl.values()].filter(({ url }) => !urls.has(url));
    // A map that was hidden a moment ago may come back at once; several scenes' maps may not pile up.
    for (const picture of others.sort((a, b) => a.seen - b.seen).slice(0, Math.max(0, others.length - 2))) this.#close(picture);
  }

  /** Frees everything. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#settle);
    for (const picture of [...this.#byUrl.values()]) this.#close(picture);
  }

  /** @param {string} url */
  #open(url) {
    const picture = new Picture(url);
    this.#byUrl.set(url, picture);
    this.#stopped = false;
    this.#load(picture);
    return picture;
  }

  /** @param {Picture} picture */
  #close(picture) {
    picture.gone = true;
    picture.decoded?.bitmap.close();
    picture.decoded = null;
    if (picture.live) {
      if (picture.live.element instanceof HTMLVideoElement) picture.live.element.removeAttribute("src");
      URL.revokeObjectURL(picture.live.url);
      picture.live = null;
    }
    this.#byUrl.delete(picture.url);
  }

  /** @param {Picture} picture */
  async #load(picture) {
    picture.state = "loading";
    try {
      const answer = await fetch(picture.url, { cache: "no-cache" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const blob = await answer.blob();
      if (picture.gone) return;
      if (blob.type.startsWith("video/")) await openFilm(picture, blob);
      else if (blob.type.startsWith("image/svg")) await openDrawing(picture, blob);
      else {
        picture.size = await sizeOfFile(blob);
        picture.blob = blob;
        picture.wanted = levelFor(0, picture.size, MAX_PIXELS);
        await this.#decode(picture, picture.wanted);
      }
      picture.state = "ready";
    } catch {
      picture.state = "failed";
      picture.retryAt = performance.now() + RETRY;
    }
    if (picture.gone) return;
    this.#tell();
  }

  /** When looking has come to rest, everything is decoded as it is looked at. */
  #soon() {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#refine(), 120);
  }

  async #refine() {
    const still = [...this.#byUrl.values()].filter(({ size, blob }) => size !== null && blob !== null);
    const levels = levelsWithin(this.#budget, still.map(({ size, wanted }) => ({ size: /** @type {Size} */ (size), level: wanted })));
    // Coarser ones first: they make room for the finer.
    const order = still.map((picture, i) => ({ picture, level: levels[i] }))
      .sort((a, b) => b.level - (b.picture.decoded?.level ?? 0) - (a.level - (a.picture.decoded?.level ?? 0)));
    for (const { picture, level } of order) {
      if (this.#stopped || picture.gone || picture.busy || picture.decoded?.level === level) continue;
      try {
        await this.#decode(picture, level);
        this.#tell();
      } catch {
        // What is there stays; a picture that was decoded once is no worse for a lack of memory.
      }
    }
  }

  /**
   * @param {Picture} picture
   * @param {number} level
   */
  async #decode(picture, level) {
    const { width, height } = sizeAt(/** @type {Size} */ (picture.size), level);
    picture.busy = true;
    try {
      // From what is decoded already, if that is finer: cheaper than the file.
      const finer = picture.decoded !== null && picture.decoded.level < level ? picture.decoded.bitmap : null;
      const options = level === 0 ? {} : { resizeWidth: width, resizeHeight: height, resizeQuality: /** @type {const} */ ("high") };
      const bitmap = await createImageBitmap(finer ?? /** @type {Blob} */ (picture.blob), options);
      if (picture.gone) return bitmap.close();
      picture.decoded?.bitmap.close();
      picture.decoded = { level, bitmap };
    } finally {
      picture.busy = false;
    }
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * A picture's size from its head, without decoding it.
 *
 * @param {Blob} blob
 * @returns {Promise<Size>}
 */
async function sizeOfFile(blob) {
  const url = URL.createObjectURL(blob);
  try {
    const image = await opened(url);
    return { width: image.naturalWidth, height: image.naturalHeight };
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} url @returns {Promise<HTMLImageElement>} */
function opened(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => (image.naturalWidth > 0 || image.width === 0 ? resolve(image) : reject(new Error("no size")));
    image.onerror = () => reject(new Error("not a picture"));
    image.src = url;
  });
}

/**
 * @param {Picture} picture
 * @param {Blob} blob
 */
async function openDrawing(picture, blob) {
  const url = URL.createObjectURL(blob);
  const image = await opened(url);
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / Math.max(1, image.naturalWidth * image.naturalHeight)));
  canvas.width = Math.round(image.naturalWidth * scale) || DRAWING;
  canvas.height = Math.round(image.naturalHeight * scale) || DRAWING;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  if (picture.gone) return URL.revokeObjectURL(url);
  picture.size = { width: image.naturalWidth || DRAWING, height: image.naturalHeight || DRAWING };
  picture.live = { element: canvas, url };
}

/**
 * @param {Picture} picture
 * @param {Blob} blob
 */
async function openFilm(picture, blob) {
  const url = URL.createObjectURL(blob);
  const film = document.createElement("video");
  Object.assign(film, { muted: true, loop: true, playsInline: true, src: url });
  await new Promise((resolve, reject) => {
    film.onloadeddata = resolve;
    film.onerror = () => reject(new Error("not a film"));
  });
  if (picture.gone) return URL.revokeObjectURL(url);
  picture.size = { width: film.videoWidth, height: film.videoHeight };
  picture.live = { element: film, url };
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) await film.play().catch(() => {});
}

/** @param {HTMLVideoElement | HTMLCanvasElement} element @returns {Size} */
function sizeOfLive(element) {
  return element instanceof HTMLVideoElement
    ? { width: element.videoWidth, height: element.videoHeight }
    : { width: element.width, height: element.height };
}

function isSmallDevice() {
  return matchMedia("(pointer: coarse)").matches && Math.min(screen.width, screen.height) < 700;
}
