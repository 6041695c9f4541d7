import { fill, h } from "../dom.js";
import { SoundDesk } from "./sound-desk.js";
import { SoundShelf } from "./sound-shelf.js";
import { SoundStrip } from "./sound-strip.js";

/** How often what moves is drawn, in milliseconds. */
const TICK = 250;
/** @type {Record<import("../table-sound.js").Trouble, string>} */
const WHY = { gone: "the file is gone", format: "this browser does not know its format", silent: "this browser finds no loudspeaker" };

/** @typedef {import("./sound-desk.js").Route} Route */

/**
 * The table's sound in the GM's hands. Set `table`, `state`, `api`, `uploads` and `sound` before inserting it.
 */
export class SoundsPanel extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  /** @type {import("../state.js").State} */ state;
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  /** What is heard on this page. @type {import("../table-sound.js").TableSound} */ sound;
  /** @type {SoundDesk} */ #desk;
  #gone = new AbortController();
  /** @type {Map<Route, HTMLInputElement>} */ #routes = new Map();
  #master = h("input", { type: "range", min: "0", max: "1", step: "0.01" });
  #percent = h("output", { class: "strip-time" });
  #isTurning = false;
  #stop = h("button", { type: "button", class: "button small" }, "Stop all");
  #notes = h("div", { class: "sound-notes", role: "status" });
  #none = h("p", { class: "empty-words" });
  #list = h("ul", { class: "strips" });
  /** @type {Map<string, SoundStrip>} */ #strips = new Map();
  #shelf = new SoundShelf();
  /** Tracks whose trouble was told. */ #told = new Set();
  #saidBlocked = false;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const desk = this.#desk = new SoundDesk(this.table, this.state, this.sound, signal);
    const { api, state, uploads } = this;
    Object.assign(this.#shelf, { desk, api, state, uploads });
    const route = (/** @type {Route} */ name, /** @type {string} */ words) => {
      const input = h("input", { type: "radio", name: "sound-route", value: name, on: { change: () => desk.send(name) } });
      this.#routes.set(name, input);
      return h("label", { class: "choice" }, input, h("span", {}, words));
    };
    this.#master.addEventListener("input", () => {
      this.#isTurning = true;
      this.#showMaster();
      desk.turnAll(this.#master.valueAsNumber);
    }, { signal });
    for (const type of ["change", "blur"]) this.#master.addEventListener(type, () => { this.#isTurning = false; }, { signal });
    this.#stop.addEventListener("click", () => desk.stop(), { signal });
    const seconds = h("input", { type: "number", min: "0.5", max: "60", step: "0.5", value: String(desk.fadeSeconds), "aria-label": "Length of fades, in seconds", on: { change: () => {
      if (seconds.valueAsNumber > 0) desk.fadeSeconds = seconds.valueAsNumber;
      seconds.value = String(desk.fadeSeconds);
    } } });
    fill(this,
      h("section", { class: "sound-head", "aria-labelledby": "sound-title" },
        h("h3", { id: "sound-title", class: "unseen" }, "The table's sound"),
        h("fieldset", { class: "choices" }, h("legend", {}, "Comes out of"), route("display", "TV"), route("gm", "Console"), route("all", "All")),
        h("div", { class: "master-line" }, h("label", { class: "master" }, h("span", {}, "Master volume"), this.#master), this.#percent),
        h("div", { class: "master-line" }, this.#stop, h("label", { class: "field inline fade-length" }, h("span", {}, "Fades, s"), seconds))),
      this.#notes,
      h("section", { "aria-labelledby": "strips-title" }, h("h3", { id: "strips-title" }, "Playing"), this.#none, this.#list),
      h("section", { "aria-labelledby": "sounds-title" }, h("h3", { id: "sounds-title" }, "Library"), this.#shelf));
    desk.addEventListener("change", () => this.#show(), { signal });
    const timer = setInterval(() => this.#tick(), TICK);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  #tick() {
    this.#desk.tidy();
    if (!this.checkVisibility()) return;
    // What is over does not say so.
    for (const [track, strip] of this.#strips) {
      const now = this.#desk.track(track);
      if (now) strip.show(now);
    }
    this.#shelf.tick();
    this.#stop.disabled = this.#desk.playing.length === 0;
  }

  #show() {
    const desk = this.#desk;
    for (const [name, input] of this.#routes) input.checked = name === desk.route;
    if (!this.#isTurning) this.#master.value = String(desk.master);
    this.#showMaster();
    const tracks = desk.strips;
    for (const { track } of tracks) if (!this.#strips.has(track)) this.#strips.set(track, new SoundStrip(desk, track));
    const names = new Set(tracks.map(({ track }) => track));
    for (const [track, strip] of this.#strips) if (!names.has(track)) this.#take(track, strip);
    for (const track of tracks) {
      const strip = /** @type {SoundStrip} */ (this.#strips.get(track.track));
      strip.show(track);
      if (!strip.node.isConnected) this.#list.append(strip.node);
    }
    this.#none.hidden = tracks.length > 0;
    const isEmpty = desk.isListed && desk.all.length === 0;
    if (!this.#none.hidden) fill(this.#none, h("strong", {}, "Nothing plays"), isEmpty ? "Drop sounds into the library below first." : "Choose music below, or strike an effect.");
    this.#stop.disabled = desk.playing.length === 0;
    this.#showNotes();
    this.#showTroubles();
  }

  /** @param {string} track @param {SoundStrip} strip */
  #take(track, strip) {
    const hadFocus = strip.node.contains(document.activeElement);
    const next = /** @type {HTMLElement | null} */ (strip.node.nextElementSibling ?? strip.node.previousElementSibling);
    this.#strips.delete(track);
    strip.node.remove();
    // The keyboard must not fall back to the top of the page.
    if (hadFocus) (next?.querySelector("button") ?? this.#routes.get(this.#desk.route))?.focus();
  }

  #showMaster() {
    const words = `${Math.round(this.#master.valueAsNumber * 100)} %`;
    if (this.#percent.textContent === words) return;
    this.#percent.textContent = words;
    this.#master.setAttribute("aria-valuetext", words);
  }

  #showNotes() {
    const desk = this.#desk;
    const { screens, route } = desk;
    const isBlocked = this.sound.state === "blocked" && route !== "display";
    /** @type {string[]} */
    const notes = [];
    if (isBlocked) notes.push("This page is silent until you click or press a key on it once: browsers ask for that.");
    if (route === "display" && screens.length === 0) notes.push(`No screen is at the table, so nobody hears this. Open ${location.host}/display on the TV, or choose Console.`);
    if (route !== "gm") {
      for (const { name, sound, isMuted } of screens) {
        if (isMuted) notes.push(`“${name}” is muted.`);
        else if (sound === "blocked") notes.push(`“${name}” needs one tap on it before it can be heard.`);
      }
    }
    if (isBlocked && !this.#saidBlocked && desk.playing.length > 0) {
      this.#saidBlocked = true;
      this.table.say("The table's sound plays here after one click anywhere on this page.");
    }
    const print = notes.join("\n");
    if (this.#notes.dataset.print === print) return;
    this.#notes.dataset.print = print;
    fill(this.#notes, ...notes.map((words) => h("p", {}, words)));
  }

  #showTroubles() {
    const { troubles } = this.sound;
    for (const track of this.#told) if (!troubles.has(track)) this.#told.delete(track);
    for (const [track, why] of troubles) {
      if (this.#told.has(track)) continue;
      this.#told.add(track);
      this.table.say(`“${this.#desk.nameOf(track)}” cannot be played here: ${WHY[why]}.`, "error");
    }
  }
}
