import { fill, h } from "../dom.js";
import { fullTurn } from "../stage/handles.js";
import { FOOTPRINTS } from "./hands.js";
import { homeOf, nameOf } from "./pose.js";

/** @typedef {{ input: HTMLInputElement | HTMLSelectElement, read: (thing: any) => string }} Field */

/** What is chosen, in numbers and words. Set `table`, `hands` and `frames` before inserting it. */
export class ChosenBar extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  /** @type {import("./hands.js").Hands} */ hands;
  /** @type {import("./frames.js").Frames} */ frames;
  #gone = new AbortController();
  #key = "";
  /** @type {Field[]} */ #fields = [];
  #title = h("strong");
  #flip = h("button", { type: "button", class: "button quiet small", on: { click: () => this.hands.flip() } });

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.className = "chosen-bar";
    this.setAttribute("role", "group");
    this.table.addEventListener("chosen", () => this.#show(), { signal });
    this.table.live.addEventListener("scene", () => this.#renew(), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** The scene is another: what is chosen may be gone. */
  #renew() {
    const { chosen, live } = this.table;
    if (!chosen || chosen.kind === "frame") return;
    const thing = homeOf(live.state.scene, chosen);
    if (thing === null) return this.table.choose(null);
    this.table.renew({ ...chosen, thing });
  }

  #show() {
    const { chosen } = this.table;
    this.hidden = chosen === null;
    if (chosen === null) {
      this.#key = "";
      return fill(this);
    }
    if (this.#key !== chosen.key) {
      this.#key = chosen.key;
      this.#fields = [];
      fill(this, this.#title, ...this.#controls(chosen));
    }
    const name = nameOf(chosen);
    this.setAttribute("aria-label", `For ${name}`);
    if (this.#title.textContent !== name) this.#title.textContent = name;
    const isHidden = chosen.kind === "map" ? chosen.thing.isHidden : chosen.kind === "marker" && !chosen.thing.isRevealed;
    this.#flip.textContent = isHidden ? "Reveal" : "Hide";
    this.#flip.title = isHidden ? "Show it to players and on screens" : "Hide it from players and screens";
    for (const { input, read } of this.#fields) {
      // Nobody loses what they are typing.
      if (document.activeElement !== input || input.type === "range" || input instanceof HTMLSelectElement) input.value = read(chosen.thing);
    }
  }

  /** @param {import("./table.js").Chosen} chosen @returns {(Node | false)[]} */
  #controls({ kind, thing, id }) {
    const { hands, table } = this;
    const button = (/** @type {string} */ words, /** @type {() => void} */ click) => h("button", { type: "button", class: "button quiet small", on: { click } }, words);
    const turn = this.#number("Turned, °", { step: "15" }, ({ rotation }) => String(round(fullTurn(rotation), 10)), (value) => hands.turnTo(value));
    switch (kind) {
      case "map":
        return [this.#number("Size, %", { min: "1", max: "2000", step: "5" }, ({ scale }) => String(round(scale * 100, 10)), (value) => value > 0 && hands.scale(value / 100)),
          turn, this.#flip, button("Remove", () => hands.remove())];
      case "marker":
        return [
          this.#field("Label", h("input", { type: "text", maxLength: 80, autocomplete: "off", spellcheck: false, class: "words" }), ({ label }) => label, (value) => hands.setMarker("Named", { label: value.trim() })),
          this.#number("Feet", { min: "1", max: "1000", step: "5" }, ({ feet }) => String(round(feet, 10)), (value) => value > 0 && hands.feet(value)),
          !["circle", "cylinder"].includes(thing.shape) && turn,
          this.#field("Colour", h("input", { type: "color" }), ({ color }) => (/^#[0-9a-f]{6}$/i.test(color) ? color : "#ff5a36"), (value) => hands.setMarker("Coloured", { color: value })),
          this.#opacity(),
          this.#flip, button("Remove", () => hands.remove()),
        ];
      case "token":
        return [
          this.#field("Size", h("select", {}, ...FOOTPRINTS.map((cells) => h("option", { value: String(cells) }, `${cells} × ${cells}`))),
            ({ size }) => String(Math.round(size / table.stage.grid.cell)), (value) => hands.footprint(Number(value))),
          button("Take off the map", () => hands.remove()),
        ];
      case "frame":
        return [
          this.#number("Cells across", { min: "2", max: "1000", step: "1" }, ({ rect }) => String(round(rect.width / table.stage.grid.cell, 10)), (value) => this.#frameTo(id, value)),
          button("Show all", () => this.frames.show(id, null)),
          button("Show my view", () => this.frames.show(id, table.stage.camera.seen())),
        ];
      default:
        return [];
    }
  }

  /** Seen while it is set, kept on release. */
  #opacity() {
    const { hands, table } = this;
    const input = h("input", { type: "range", min: "0.05", max: "1", step: "0.05", on: { input: () => {
      const { chosen } = table;
      if (chosen) table.stage.drag(chosen.key, { opacity: input.valueAsNumber }, { own: true });
    } } });
    return this.#field("Opacity", input, ({ opacity }) => String(opacity), (value) => {
      const { chosen } = table;
      hands.setMarker("Changed the opacity of", { opacity: Number(value) });
      if (chosen) table.stage.drag(chosen.key, null);
    });
  }

  /** @param {string} id @param {number} cells */
  #frameTo(id, cells) {
    const frame = this.frames.hit(id)?.thing;
    if (!frame || cells < 2) return;
    const { x, y, width, height } = frame.rect;
    const share = cells * this.table.stage.grid.cell / width;
    this.frames.show(id, { x: x + width * (1 - share) / 2, y: y + height * (1 - share) / 2, width: width * share, height: height * share });
  }

  /**
   * @param {string} words
   * @param {Record<string, any>} props
   * @param {(thing: any) => string} read
   * @param {(value: number) => void} write
   */
  #number(words, props, read, write) {
    const input = h("input", { type: "number", ...props });
    return this.#field(words, input, read, () => Number.isFinite(input.valueAsNumber) && write(input.valueAsNumber));
  }

  /**
   * @template {HTMLInputElement | HTMLSelectElement} T
   * @param {string} words
   * @param {T} input
   * @param {(thing: any) => string} read
   * @param {(value: string) => void} write
   */
  #field(words, input, read, write) {
    input.addEventListener("change", () => write(input.value));
    this.#fields.push({ input, read });
    return h("label", { class: "field inline" }, h("span", {}, words), input);
  }
}

/** @param {number} value @param {number} parts */
const round = (value, parts) => Math.round(value * parts) / parts;
