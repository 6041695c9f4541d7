import { fill, h, icon, iconButton } from "../dom.js";
import { clock, position } from "../format.js";

const WHERE = { all: "everywhere", display: "on the TV", gm: "on the console" };
const TROUBLE = {
  gone: "The file is gone. Remove this, or upload the file again.",
  format: "This browser cannot play the file: its format is not known here. Others may.",
  silent: "This browser finds no loudspeaker. Others may.",
};

/** The controls of one track. They stay the same elements, so that nothing is taken out of the GM's hand. */
export class SoundStrip {
  #desk;
  #track;
  #name = h("strong", { class: "strip-name" });
  #play;
  #seek = h("input", { type: "range", min: "0", step: "0.1", class: "seek" });
  #time = h("span", { class: "strip-time" });
  #volume = h("input", { type: "range", min: "0", max: "1", step: "0.01", class: "strip-volume" });
  #loop;
  #fade = h("button", { type: "button", class: "button quiet small", on: { click: () => this.#desk.toggle(this.#track, this.#desk.fadeSeconds) } });
  #remove;
  #note = h("p", { class: "strip-note" });
  /** What is being dragged. @type {EventTarget | null} */ #held = null;
  node;

  /** @param {import("./sound-desk.js").SoundDesk} desk @param {string} track */
  constructor(desk, track) {
    this.#desk = desk;
    this.#track = track;
    this.#play = iconButton("play", "", () => desk.toggle(track));
    this.#loop = h("button", { type: "button", class: "icon-button", on: { click: () => desk.loop(track, !desk.track(track)?.loop) } }, icon("repeat"));
    this.#remove = iconButton("close", "", () => desk.remove(track));
    for (const slider of [this.#seek, this.#volume]) {
      slider.addEventListener("input", () => { this.#held = slider; });
      for (const type of ["change", "blur"]) slider.addEventListener(type, () => { this.#held = null; });
    }
    this.#seek.addEventListener("input", () => this.#showTime(this.#seek.valueAsNumber));
    this.#seek.addEventListener("change", () => desk.seek(track, this.#seek.valueAsNumber));
    this.#volume.addEventListener("input", () => desk.turn(track, this.#volume.valueAsNumber));
    this.node = h("li", { class: "strip", "data-track": track },
      h("div", { class: "strip-line" }, this.#play, this.#name, this.#remove),
      h("div", { class: "strip-line" }, this.#seek, this.#time),
      h("div", { class: "strip-line" }, h("span", { class: "strip-icon" }, icon("sound")), this.#volume, this.#loop, this.#fade),
      this.#note);
  }

  /** @param {import("./sound-desk.js").Track} track as it is now */
  show(track) {
    const desk = this.#desk;
    const name = desk.nameOf(this.#track);
    const isGone = desk.isListed && !desk.listed(this.#track);
    const trouble = isGone ? "gone" : desk.sound.troubles.get(this.#track);
    const plays = desk.plays(this.#track) && !isGone;
    if (this.#name.textContent !== name) this.#name.textContent = name;
    this.node.classList.toggle("playing", plays);
    named(this.#play, `${plays ? "Pause" : "Play"} ${name}`, plays ? "pause" : "play");
    named(this.#remove, `Remove ${name} from the list`);
    named(this.#loop, `Repeat ${name}`);
    this.#loop.setAttribute("aria-pressed", String(track.loop));
    this.#seek.setAttribute("aria-label", `Position in ${name}`);
    this.#volume.setAttribute("aria-label", `Volume of ${name}`);
    const fade = plays ? "Fade out" : "Fade in";
    if (this.#fade.textContent !== fade) this.#fade.textContent = fade;
    this.#fade.setAttribute("aria-label", `${fade} ${name}`);
    this.#play.disabled = this.#fade.disabled = isGone && !plays;
    if (this.#held !== this.#volume) this.#volume.value = String(track.volume);
    this.#volume.setAttribute("aria-valuetext", `${Math.round(this.#volume.valueAsNumber * 100)} %`);
    const note = trouble ? TROUBLE[trouble] : track.route !== desk.route ? `Heard ${WHERE[track.route]}` : "";
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#note.classList.toggle("trouble", trouble !== undefined);
    this.tick();
  }

  /** Time goes on. */
  tick() {
    const track = this.#desk.track(this.#track);
    if (!track || this.#held === this.#seek) return;
    const duration = this.#desk.durationOf(this.#track);
    const at = this.#desk.placeOf(track) ?? duration;
    this.#seek.disabled = !Number.isFinite(duration);
    const max = String(Number.isFinite(duration) ? duration : 0);
    if (this.#seek.max !== max) this.#seek.max = max;
    this.#seek.value = String(at);
    this.#showTime(at);
  }

  /** @param {number} at seconds */
  #showTime(at) {
    const duration = clock(this.#desk.durationOf(this.#track));
    const words = `${position(at)} / ${duration}`;
    if (this.#time.textContent === words) return;
    this.#time.textContent = words;
    this.#seek.setAttribute("aria-valuetext", `${position(at)} of ${duration}`);
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} label
 * @param {Parameters<typeof icon>[0]} [picture]
 */
function named(button, label, picture) {
  if (button.title === label) return;
  button.title = label;
  button.setAttribute("aria-label", label);
  if (picture) fill(button, icon(picture));
}
