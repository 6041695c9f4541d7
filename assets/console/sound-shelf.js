import { Nodes, fill, h, icon } from "../dom.js";
import { dropZone } from "../elements/drop-zone.js";
import { FolderChoice } from "../elements/folder-choice.js";
import { byFolder, clock } from "../format.js";

/** Sounds that are shown at once; the search and the folders find the others. */
const SHOWN = 200;

/**
 * @typedef {import("../api.js").Category} Category
 * @typedef {import("../sound/catalogue.js").Listed} Listed
 */

/** @type {Record<Category, string>} */
const TITLES = { loop: "Music", oneshot: "Effects" };

/** The library beside the table: music to play, effects on pads. Set `desk`, `state`, `api` and `uploads` before inserting it. */
export class SoundShelf extends HTMLElement {
  /** @type {import("./sound-desk.js").SoundDesk} */ desk;
  /** @type {import("../state.js").State} */ state;
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  #gone = new AbortController();
  #nodes = new Nodes();
  /** @type {Map<Category, HTMLInputElement>} */ #categories = new Map();
  #search = h("input", { type: "search", placeholder: "Name or folder", spellcheck: false });
  #folder = Object.assign(new FolderChoice(), { label: "Folder" });
  #effects = h("div", { class: "effects-line" });
  #note = h("p", { class: "soft" });
  #list = h("div", { class: "sound-groups" });
  #hint = h("span", { class: "drop-hint" });
  /** @type {number | null} */ #maxBytes = null;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const { desk } = this;
    const choice = (/** @type {Category} */ category) => {
      const input = h("input", { type: "radio", name: "shelf", value: category, on: { change: () => { desk.open = { category, folder: "" }; } } });
      this.#categories.set(category, input);
      return h("label", { class: "choice" }, input, h("span", {}, TITLES[category]));
    };
    Object.assign(this.#folder, {
      make: (/** @type {string} */ path) => this.api.makeSoundFolder(this.#open.category, path),
      made: () => this.state.reload("sounds"),
    });
    this.#folder.addEventListener("change", () => { desk.open = { ...desk.open, folder: this.#folder.value }; }, { signal });
    this.#search.addEventListener("input", () => this.#show(), { signal });
    const volume = h("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(desk.effects), "aria-label": "Volume of effects", on: { input: () => desk.turnEffects(volume.valueAsNumber) } });
    fill(this.#effects, h("span", { class: "strip-icon" }, icon("sound")), volume,
      h("button", { type: "button", class: "button quiet small", on: { click: () => desk.stop("oneshot") } }, "Stop effects"));
    const area = /** @type {HTMLElement} */ (this.closest("sounds-panel") ?? this);
    const accept = "audio/*,.mp3,.ogg,.opus,.wav,.flac,.m4a,.webm";
    const zone = dropZone({ area, accept, label: "", signal, open: () => this.state.isGm, take: (files) => this.#take(files) });
    zone.querySelector(".drop-hint")?.replaceWith(this.#hint);
    fill(this,
      h("fieldset", { class: "choices two" }, h("legend", { class: "unseen" }, "Kind of sounds"), choice("loop"), choice("oneshot")),
      h("label", { class: "field" }, h("span", { class: "unseen" }, "Search sounds"), this.#search),
      this.#folder, this.#effects, this.#note, this.#list, zone);
    this.#list.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#list.addEventListener("focusin", ({ target }) => this.#reach(/** @type {HTMLElement} */ (target).closest?.(".pad") ?? null), { signal });
    desk.addEventListener("change", () => this.#show(), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** Time goes on. */
  tick() {
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (this.#list.querySelectorAll("[data-sound]"))) {
      const track = this.desk.track(node.dataset.sound ?? "");
      const at = track?.playing ? this.desk.placeOf(track) : null;
      node.classList.toggle("sounding", at !== null);
      if (node.classList.contains("pad")) node.style.setProperty("--part", at === null || !track ? "0" : String(Math.min(1, at / this.desk.durationOf(track.track)) || 0));
      else this.#markRow(node);
    }
  }

  /** What is open: a folder that is gone is not. */
  get #open() {
    const { category, folder } = this.desk.open;
    return { category, folder: this.state.soundFolders[category].includes(folder) ? folder : "" };
  }

  #show() {
    const { desk, state } = this;
    const { category, folder } = this.#open;
    for (const [name, input] of this.#categories) input.checked = name === category;
    this.#folder.folders = state.soundFolders[category];
    if (this.#folder.value !== folder) this.#folder.value = folder;
    const where = `${TITLES[category].toLowerCase()}${folder === "" ? "" : `, ${folder.replaceAll("/", " / ")}`}`;
    const hint = `or drop sounds here: they go to ${where}`;
    if (this.#hint.textContent !== hint) this.#hint.textContent = hint;
    const words = this.#search.value.trim().toLowerCase();
    this.#folder.hidden = words !== "";
    const isIn = (/** @type {Listed} */ one) => words !== ""
      ? `${one.folder}/${one.name} ${one.sound.name} ${one.sound.artist ?? ""}`.toLowerCase().includes(words)
      : one.category === category && (folder === "" || one.folder === folder || one.folder.startsWith(`${folder}/`));
    const found = desk.all.filter(isIn);
    this.#effects.hidden = !found.some((one) => one.category === "oneshot");
    const note = this.#noteOf(found.length, words);
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#note.hidden = note === "";
    const shown = found.slice(0, SHOWN);
    const groups = /** @type {Category[]} */ (["loop", "oneshot"]).flatMap((kind) =>
      byFolder(shown.filter((one) => one.category === kind), (one) => one.folder).map(([name, group]) => ({ kind, name, group })));
    this.#nodes.show(this.#list, groups.map(({ kind, name, group }) => this.#nodes.get(`${kind}/${name}`, [group, words !== ""], () => this.#group(kind, name, group, words !== ""))));
    this.#reach(null);
    this.tick();
  }

  /** @param {number} found @param {string} words */
  #noteOf(found, words) {
    const { sounds, errors } = this.state;
    const { category, folder } = this.#open;
    if (sounds === null) return errors.sounds ?? "Reading the sounds";
    if (found > SHOWN) return `The first ${SHOWN} of ${found}; search, or open a folder, for the others.`;
    if (found > 0) return "";
    if (words !== "") return "No sound has that in its name or folder.";
    if (folder !== "") return "Nothing in this folder yet. Drop sounds here, or choose files below.";
    return category === "loop" ? "No music yet. Drop MP3, Ogg, Opus, WAV, FLAC, M4A or WebM files here, or choose them below; they play on and on."
      : "No effects yet. Drop short sounds here, or choose them below; each becomes a button.";
  }

  /** @param {Category} kind @param {string} name @param {Listed[]} group @param {boolean} isSearch */
  #group(kind, name, group, isSearch) {
    const title = [isSearch && TITLES[kind], name.replaceAll("/", " / ")].filter(Boolean).join(": ");
    return h("section", { "aria-label": title || TITLES[kind] },
      title !== "" && h("h4", {}, title),
      kind === "oneshot" ? h("div", { class: "pads" }, ...group.map((one) => this.#pad(one)))
        : h("ul", { class: "shelf-sounds" }, ...group.map((one) => this.#row(one))));
  }

  /** @param {Listed} one */
  #pad({ track, name }) {
    return h("button", { type: "button", class: "pad", tabIndex: -1, "data-sound": track, title: name, "aria-label": `Play ${name}`, on: { click: () => this.desk.fire(track) } }, h("span", {}, name));
  }

  /** @param {Listed} one */
  #row({ track, name, sound }) {
    const play = h("button", { type: "button", class: "shelf-sound", "data-sound": track, on: { click: () => this.desk.toggle(track) } },
      icon("play"), h("span", { class: "unseen" }, "Play "), h("span", { class: "shelf-sound-name" }, name, sound.artist && h("small", {}, sound.artist)), h("span", { class: "strip-time" }, clock(sound.duration)));
    return h("li", {}, play);
  }

  /** @param {HTMLElement} row */
  #markRow(row) {
    const plays = row.classList.contains("sounding");
    const verb = row.querySelector(".unseen");
    const words = plays ? "Pause " : "Play ";
    if (verb === null || verb.textContent === words) return;
    verb.textContent = words;
    row.querySelector(".icon")?.replaceWith(icon(plays ? "pause" : "play"));
  }

  // Pads: one stop of the Tab key, arrows among them

  get #pads() {
    return /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".pad")]);
  }

  /** @param {Element | null} pad that the Tab key reaches; else whichever it was, or the first */
  #reach(pad) {
    const pads = this.#pads;
    const one = pad ?? pads.find(({ tabIndex }) => tabIndex === 0) ?? pads[0];
    for (const other of pads) other.tabIndex = other === one ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const pads = this.#pads;
    const at = pads.indexOf(/** @type {HTMLElement} */ (event.target));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = event.key === "ArrowRight" ? at + 1 : event.key === "ArrowLeft" ? at - 1
      : event.key === "Home" ? 0 : event.key === "End" ? pads.length - 1
        : event.key === "ArrowDown" || event.key === "ArrowUp" ? beside(pads, at, event.key === "ArrowDown" ? 1 : -1) : null;
    if (next === null) return;
    event.preventDefault();
    pads[next]?.focus();
  }

  /** @param {File[]} files */
  async #take(files) {
    const { category, folder } = this.#open;
    this.#maxBytes ??= await this.api.limits().then((limits) => limits.sound_bytes, () => null);
    this.uploads.add(files, {
      path: "/audio/upload",
      fields: folder === "" ? { category } : { category, folder },
      where: `to ${TITLES[category].toLowerCase()}${folder === "" ? "" : `, ${folder}`}`,
      maxBytes: this.#maxBytes,
      done: () => this.state.reload("sounds"),
    });
  }
}

/**
 * The pad above or below.
 *
 * @param {HTMLElement[]} pads
 * @param {number} at
 * @param {1 | -1} step
 */
function beside(pads, at, step) {
  const { left, top } = pads[at].getBoundingClientRect();
  const boxes = pads.map((pad, i) => ({ i, box: pad.getBoundingClientRect() })).filter(({ box }) => (box.top - top) * step > 1);
  if (boxes.length === 0) return null;
  const row = boxes.reduce((best, { box }) => (Math.abs(box.top - top) < Math.abs(best - top) ? box.top : best), boxes[0].box.top);
  return boxes.filter(({ box }) => box.top === row).reduce((best, one) => (Math.abs(one.box.left - left) < Math.abs(best.box.left - left) ? one : best)).i;
}
