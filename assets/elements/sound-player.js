import { h, icon, iconButton, say } from "../dom.js";
import { clock, position } from "../format.js";

/** @typedef {import("../api.js").Sound} Sound */

/**
 * The one player of the page. Fires `change` when another sound is chosen, or the chosen one starts or stops.
 */
export class SoundPlayer extends HTMLElement {
  /** The chosen sound. @type {Sound | null} */ sound = null;
  #gone = new AbortController();
  #audio = h("audio", { preload: "metadata" });
  #title = h("b", {});
  #artist = h("span", {});
  #toggle = iconButton("play", "Play", () => this.toggle());
  #seek = h("input", { type: "range", min: "0", max: "0", step: "0.1", value: "0", class: "seek", "aria-label": "Position" });
  #time = h("span", { class: "player-time" });
  #repeat = h("button", { type: "button", class: "icon-button", "aria-label": "Repeat", title: "Repeat", on: { click: () => this.#setRepeat(!this.#audio.loop) } }, icon("repeat"));
  #volume = h("input", { type: "range", min: "0", max: "1", step: "0.01", value: "0.8", class: "volume", "aria-label": "Volume" });
  #dragged = false;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.hidden = true;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", "Player");
    this.replaceChildren(
      this.#toggle,
      h("p", { class: "player-words" }, this.#title, this.#artist),
      this.#seek, this.#time, this.#repeat, this.#volume,
      iconButton("close", "Stop and close the player", () => this.close()),
      this.#audio,
    );
    this.#audio.volume = Number(this.#volume.value);
    for (const type of ["play", "pause", "ended"]) this.#audio.addEventListener(type, () => this.#changed(), { signal });
    for (const type of ["timeupdate", "durationchange", "seeked"]) this.#audio.addEventListener(type, () => this.#tick(), { signal });
    this.#audio.addEventListener("error", () => {
      if (this.sound) say(this, `“${this.#name}” cannot be played: the file is gone, or this browser does not know its format.`, "error");
      this.#changed();
    }, { signal });
    this.#seek.addEventListener("input", () => {
      this.#dragged = true;
      this.#tick();
    }, { signal });
    this.#seek.addEventListener("change", () => {
      this.#dragged = false;
      this.#audio.currentTime = Number(this.#seek.value);
    }, { signal });
    this.#volume.addEventListener("input", () => { this.#audio.volume = Number(this.#volume.value); }, { signal });
  }

  disconnectedCallback() {
    this.#gone.abort();
    this.#audio.pause();
  }

  /** Whether `sound` is to be heard now. @param {Sound} sound */
  plays(sound) {
    return this.sound?.url === sound.url && !this.#audio.paused && !this.#audio.ended;
  }

  /**
   * Plays a sound from its start, or pauses and resumes the one that is chosen.
   *
   * @param {Sound} [sound]
   * @param {boolean} [repeat]
   */
  toggle(sound, repeat = false) {
    if (sound && this.sound?.url !== sound.url) {
      this.sound = sound;
      this.hidden = false;
      this.#title.textContent = this.#name;
      this.#artist.textContent = sound.artist ?? "";
      this.#setRepeat(repeat);
      this.#audio.src = sound.url;
      this.#tick();
    } else if (!this.#audio.paused && !this.#audio.ended) {
      this.#audio.pause();
      return;
    }
    // A refusal comes as an "error" event too, or the next sound was chosen meanwhile.
    this.#audio.play().catch(() => this.#changed());
  }

  get #name() {
    return this.sound?.title || this.sound?.name || "";
  }

  /** @param {boolean} on */
  #setRepeat(on) {
    this.#audio.loop = on;
    this.#repeat.setAttribute("aria-pressed", String(on));
  }

  #changed() {
    const playing = this.sound !== null && this.plays(this.sound);
    this.#toggle.replaceChildren(icon(playing ? "pause" : "play"));
    this.#toggle.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.#toggle.title = playing ? "Pause" : "Play";
    this.dispatchEvent(new CustomEvent("change"));
  }

  #tick() {
    const known = Number.isFinite(this.#audio.duration) ? this.#audio.duration : (this.sound?.duration ?? 0);
    this.#seek.max = String(known);
    this.#seek.disabled = known === 0;
    if (!this.#dragged) this.#seek.value = String(this.#audio.currentTime);
    const now = position(Number(this.#seek.value));
    this.#seek.setAttribute("aria-valuetext", `${now} of ${clock(known)}`);
    this.#time.textContent = `${now} / ${clock(known)}`;
  }

  /** Stops, and forgets the chosen sound. */
  close() {
    this.sound = null;
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
    this.hidden = true;
    this.#changed();
  }
}
