import { ApiError } from "./api.js";

/** @typedef {"health" | "maps" | "scenes" | "sounds"} Part */

/** How often the server is asked whether somebody changed the folders, in milliseconds. */
const POLL = 10_000;
/** The same while the server still reads its folders for the first time. */
const POLL_SCANNING = 1_000;
/** The same while it still reads what new sounds say of themselves. */
const POLL_UNREAD = 3_000;

/**
 * What the page knows of the server: the one truth. A `change` event names the part in `detail`; `desk`
 * is the GM's table, where there is one.
 */
export class State extends EventTarget {
  /** @type {import("./api.js").Health | null} */ health = null;
  /** Whether the server answers. */ reachable = true;
  /** Why this visitor may not see the libraries; empty for the GM. */ refusal = "";
  /** Whether it is known what this visitor may do. */ asked = false;
  /** Whether this visitor may not list the sounds. */ soundsRefused = false;
  /** @type {import("./api.js").MapItem[] | null} */ maps = null;
  /** @type {string[]} */ mapFolders = [];
  /** @type {import("./api.js").Scene[] | null} */ scenes = null;
  /** @type {string[]} */ sceneFolders = [];
  /** @type {Record<import("./api.js").Category, Record<string, import("./api.js").Sound[]>> | null} */ sounds = null;
  /** @type {Record<import("./api.js").Category, string[]>} */ soundFolders = { loop: [], oneshot: [] };
  /** What lies on the table, for the GM at the console. @type {import("./console/desk.js").SceneDesk | null} */ #desk = null;
  /** What went wrong with each part, in words. @type {Partial<Record<Part, string>>} */ errors = {};
  #api;
  /** What is being loaded. @type {Map<Part, Promise<void>>} */ #loading = new Map();
  /** What is to be loaded once more after that. @type {Set<Part>} */ #again = new Set();
  /** What each part counted when it was loaded last. @type {Partial<Record<Part, string>>} */ #counts = {};

  /** @param {typeof import("./api.js")} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** Whether this visitor may change things. */
  get isGm() {
    return this.asked && this.refusal === "";
  }

  get desk() {
    return this.#desk;
  }

  set desk(desk) {
    this.#desk = desk;
    this.#changed("desk");
    desk?.addEventListener("change", () => this.#desk === desk && this.#changed("desk"));
  }

  /** Loads everything, and keeps looking while the page is seen. @param {AbortSignal} signal */
  watch(signal) {
    let timer = 0;
    const look = async () => {
      clearTimeout(timer);
      if (document.visibilityState === "hidden") return;
      await this.refreshHealth();
      if (!signal.aborted) timer = setTimeout(look, this.#pause);
    };
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", () => clearTimeout(timer));
    look();
  }

  /** How long to wait until the next look. */
  get #pause() {
    if (this.health?.scanning) return POLL_SCANNING;
    return this.#awaitsSounds ? POLL_UNREAD : POLL;
  }

  /** Whether lengths and titles are missing in the list of sounds: who lists them has them read. */
  get #awaitsSounds() {
    return this.sounds !== null && !this.soundsRefused && (this.health?.sounds.unread ?? 0) > 0;
  }

  /** Asks how the server is; what has other counts than last time is loaded again. */
  async refreshHealth() {
    try {
      this.health = await this.#api.health();
      this.reachable = true;
    } catch (error) {
      this.reachable = !(error instanceof ApiError && error.status === 0);
    }
    this.#changed("health");
    if (!this.reachable || !this.health) return;
    // The maps tell whether this visitor may ask for the rest at all.
    if (this.#isStale("maps")) await this.#loadMaps();
    const scenes = this.#isStale("scenes") && this.refusal === "";
    await Promise.all([scenes && this.#loadScenes(), this.#isStale("sounds") && this.#loadSounds()]);
  }

  /** Loads a part again that was changed from here. @param {Exclude<Part, "health">} part */
  async reload(part) {
    delete this.#counts[part];
    await this.refreshHealth();
    // Whoever looked at the same moment may have begun to load it.
    await this.#loading.get(part);
  }

  /** A scene was deleted from here: it is gone before the list is loaded again. @param {string} id */
  forgetScene(id) {
    this.scenes = this.scenes?.filter((scene) => scene.id !== id) ?? null;
    this.#desk?.forget(id);
  }

  /** @param {Exclude<Part, "health">} part */
  #isStale(part) {
    const counts = JSON.stringify([this.health?.scanning, this.health?.[part]]);
    const stale = counts !== this.#counts[part] || (part === "sounds" && this.#awaitsSounds);
    this.#counts[part] = counts;
    return stale;
  }

  async #loadMaps() {
    await this.#load("maps", async () => {
      const maps = await this.#api.maps();
      this.mapFolders = (await this.#api.mapFolders()).map((folder) => folder.path);
      this.maps = maps;
    });
  }

  async #loadScenes() {
    await this.#load("scenes", async () => {
      const { scenes, folders } = await this.#api.scenes();
      this.scenes = scenes;
      this.sceneFolders = folders.map((folder) => folder.path);
    });
  }

  async #loadSounds() {
    await this.#load("sounds", async () => {
      // Everybody may list sounds; their folders are for the GM, who alone fills them.
      const [sounds, folders] = await Promise.all([this.#api.sounds(), this.refusal === "" ? this.#api.soundFolders() : []]);
      this.sounds = sounds;
      const of = (/** @type {string} */ category) =>
        folders.filter((folder) => folder.category === category).map((folder) => folder.path);
      this.soundFolders = { loop: of("loop"), oneshot: of("oneshot") };
    });
  }

  /**
   * Loads a part, one time after the other; what is asked for meanwhile comes with the next time.
   *
   * @param {Part} part
   * @param {() => Promise<void>} load
   */
  #load(part, load) {
    const under = this.#loading.get(part);
    if (under) {
      this.#again.add(part);
      return under;
    }
    const loading = (async () => {
      try {
        do {
          this.#again.delete(part);
          await this.#loadOnce(part, load);
        } while (this.#again.has(part));
      } finally {
        this.#loading.delete(part);
      }
    })();
    this.#loading.set(part, loading);
    return loading;
  }

  /** @param {Part} part @param {() => Promise<void>} load */
  async #loadOnce(part, load) {
    try {
      await load();
      delete this.errors[part];
      if (part === "maps") [this.asked, this.refusal] = [true, ""];
      if (part === "sounds") this.soundsRefused = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const refused = error.status === 403 || error.status === 401;
      if (part === "maps" && refused) [this.asked, this.refusal] = [true, error.message];
      if (part === "sounds" && refused) this.soundsRefused = true;
      if (refused) delete this.errors[part];
      else this.errors[part] = error.message;
      if (!refused && part !== "health") delete this.#counts[part];
    }
    this.#changed(part);
  }

  /** @param {Part | "desk"} part */
  #changed(part) {
    this.dispatchEvent(new CustomEvent("change", { detail: part }));
  }
}
