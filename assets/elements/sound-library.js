import { confirm } from "../dialogs.js";
import { h, icon, iconButton, Nodes, say } from "../dom.js";
import { byFolder, clock, size } from "../format.js";
import { dropZone } from "./drop-zone.js";
import { FolderChoice } from "./folder-choice.js";

/**
 * @typedef {import("../api.js").Category} Category
 * @typedef {import("../api.js").Sound} Sound
 */

/** @type {Record<Category, { title: string, about: string }>} */
const CATEGORIES = {
  loop: { title: "Music and ambience", about: "Plays on and on" },
  oneshot: { title: "Effects", about: "Plays once" },
};
const ALL = /** @type {Category[]} */ (Object.keys(CATEGORIES));

/** The sounds, by category and folder. Set `api`, `state`, `uploads` and `player` before inserting it. */
export class SoundLibrary extends HTMLElement {
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../state.js").State} */ state;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  /** @type {import("./sound-player.js").SoundPlayer} */ player;
  #gone = new AbortController();
  #nodes = new Nodes();
  #category = h("select", { on: { change: () => this.#foldersOfCategory() } },
    ...ALL.map((category) => h("option", { value: category }, CATEGORIES[category].title)));
  #folder = new FolderChoice();
  #tools = h("div", { class: "tools", hidden: true });
  #shelves = h("div", { class: "columns" });
  /** @type {number | null} */ #maxBytes = null;
  /** @type {WeakMap<Element, { sound: Sound, play: HTMLButtonElement, name: string }>} */ #rows = new WeakMap();

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#folder.make = (path) => this.api.makeSoundFolder(this.#chosen, path);
    this.#folder.made = () => this.state.reload("sounds");
    const zone = dropZone({
      area: this,
      accept: "audio/*,.mp3,.ogg,.opus,.wav,.flac,.m4a,.webm",
      label: "or drop sounds anywhere here",
      signal,
      open: () => this.state.isGm,
      take: (files) => this.#take(files),
    });
    this.#tools.replaceChildren(zone, h("label", { class: "field inline" }, h("span", {}, "as"), this.#category), this.#folder);
    this.replaceChildren(this.#tools, this.#shelves);
    this.state.addEventListener("change", (e) => {
      if (/** @type {CustomEvent} */ (e).detail !== "health") this.#show();
    }, { signal });
    this.player.addEventListener("change", () => this.#mark(), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  get #chosen() {
    return /** @type {Category} */ (this.#category.value);
  }

  #foldersOfCategory() {
    this.#folder.folders = this.state.soundFolders[this.#chosen];
  }

  /** @param {File[]} files */
  async #take(files) {
    const [category, folder] = [this.#chosen, this.#folder.value];
    this.#maxBytes ??= await this.api.limits().then((limits) => limits.sound_bytes, () => null);
    const { title } = CATEGORIES[category];
    this.uploads.add(files, {
      path: "/audio/upload",
      fields: folder === "" ? { category } : { category, folder },
      where: `to ${title.toLowerCase()}${folder === "" ? "" : `, ${folder}`}`,
      maxBytes: this.#maxBytes,
      done: () => this.state.reload("sounds"),
    });
  }

  #show() {
    const { sounds, soundFolders, soundsRefused, errors, isGm } = this.state;
    this.#tools.hidden = !isGm;
    this.#foldersOfCategory();
    if (soundsRefused) return this.#only("The sounds are for the table", "Whoever sits at it, or joins it with its code, may listen to them here.");
    if (errors.sounds !== undefined && sounds === null) return this.#only("The sounds cannot be listed", errors.sounds);
    if (sounds === null) return this.#only("Looking through the sounds", "");
    if (ALL.every((category) => Object.keys(sounds[category]).length === 0)) {
      return this.#only("No sounds yet", isGm
        ? "Drop sounds here, choose files above, or put them into sounds/loop and sounds/oneshot on the server's disk. MP3, Ogg, Opus, WAV, FLAC, M4A and WebM."
        : "The GM has not put any sounds on the server.");
    }
    this.#nodes.show(this.#shelves, ALL.map((category) => this.#nodes.get(category, [sounds[category], soundFolders[category], isGm], () => {
      const all = Object.entries(sounds[category]).flatMap(([folder, group]) => group.map((sound) => ({ folder, sound })));
      const groups = byFolder(all, ({ folder }) => folder, isGm ? soundFolders[category] : []);
      const { title, about } = CATEGORIES[category];
      return h("section", { class: "column" },
        h("h3", {}, title, " ", h("span", { class: "count" }, String(all.length)), h("span", { class: "about" }, about)),
        groups.length === 0 && h("p", { class: "faint" }, "Nothing here yet."),
        ...groups.map(([folder, group]) => h("section", { class: "shelf" },
          folder !== "" && h("h4", {}, folder.replaceAll("/", " / ")),
          group.length === 0 ? h("p", { class: "faint" }, "Nothing in this folder yet.")
            : h("ul", { class: "sounds" }, ...group.map(({ sound }) => this.#row(category, sound))))));
    })));
    this.#mark();
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #only(title, text) {
    this.#nodes.show(this.#shelves, [h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text))]);
  }

  /**
   * @param {Category} category
   * @param {Sound} sound
   */
  #row(category, sound) {
    const name = sound.title || sound.name;
    const play = iconButton("play", `Play ${name}`, () => this.player.toggle(sound, category === "loop"));
    const row = h("li", { class: "sound" },
      play,
      h("span", { class: "sound-words" }, h("b", {}, name), sound.artist && h("span", {}, sound.artist)),
      h("span", { class: "sound-size" }, size(sound.bytes)),
      h("span", { class: "sound-length" }, clock(sound.duration)),
      this.state.isGm && iconButton("delete", `Delete ${name}`, () => this.#delete(category, sound)),
    );
    this.#rows.set(row, { sound, play, name });
    return row;
  }

  #mark() {
    for (const row of this.querySelectorAll("li.sound")) {
      const known = this.#rows.get(row);
      if (!known) continue;
      const playing = this.player.plays(known.sound);
      row.classList.toggle("chosen", this.player.sound?.url === known.sound.url);
      const label = `${playing ? "Pause" : "Play"} ${known.name}`;
      if (known.play.title === label) continue;
      known.play.replaceChildren(icon(playing ? "pause" : "play"));
      known.play.setAttribute("aria-label", label);
      known.play.title = label;
    }
  }

  /**
   * @param {Category} category
   * @param {Sound} sound
   */
  async #delete(category, sound) {
    const name = sound.title || sound.name;
    const sure = await confirm({ title: `Delete “${name}”?`, text: `The file ${sound.path} is removed from the disk.`, yes: "Delete sound", danger: true });
    if (!sure) return;
    // The player would go on asking for a file that is gone.
    if (this.player.sound?.url === sound.url) this.player.close();
    try {
      await this.api.deleteSound(category, sound);
      await this.state.reload("sounds");
      say(this, `“${name}” is deleted.`);
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
      await this.state.reload("sounds");
    }
  }
}
