import { Nodes, fill, h, iconButton, numberInput } from "../dom.js";
import { thumbUrl } from "../api.js";
import { MapLibrary } from "../elements/map-library.js";
import { keyOf } from "../stage/hit.js";
import { mapsOf, gridOf } from "../stage/model.js";
import { addMap, isLocked, mapStep, removeMap, setMap } from "./scene.js";

export { MAP_TYPE } from "../elements/map-library.js";

const THUMB = 256;

/** The maps on the table, and those that could be. Set `table`, `hands`, `state`, `api` and `uploads` before inserting it. */
export class MapsPanel extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  /** @type {import("./hands.js").Hands} */ hands;
  /** @type {import("../state.js").State} */ state;
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  #gone = new AbortController();
  #lying = h("ul", { class: "map-rows" });
  #none = h("p", { class: "empty-words" }, h("strong", {}, "No map on the table"), "Click one below, or drag it onto the table.");
  #library = new MapLibrary();
  #rows = new Nodes();

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    Object.assign(this.#library, { api: this.api, state: this.state, uploads: this.uploads, put: (/** @type {import("../api.js").MapItem} */ map) => this.add(map) });
    fill(this,
      h("section", { "aria-labelledby": "lying-title" }, h("h3", { id: "lying-title" }, "On the table"), this.#none, this.#lying),
      h("section", { "aria-labelledby": "shelf-title" }, h("h3", { id: "shelf-title" }, "Add from the library"), this.#library));
    this.table.live.addEventListener("scene", () => this.#showLying(), { signal });
    this.table.addEventListener("chosen", () => this.#showLying(), { signal });
    // What came while a number was typed; when it is known where the focus goes.
    this.#lying.addEventListener("focusout", () => setTimeout(() => this.#showLying()), { signal });
    this.#showLying();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /**
   * @param {{ name: string, folder: string | null }} map
   * @param {import("../stage/geometry.js").Point} [at]
   */
  add(map, at) {
    const { live } = this.table;
    if (live.state.scene === null) return this.table.say("The table is not here yet.", "error");
    const isFirst = (live.state.scene.maps ?? []).length === 0;
    const grid = gridOf(live.state.scene);
    // The first one fills a table that has a number of cells.
    const place = at ?? (isFirst && grid.isFixed ? { x: grid.columns * grid.cell / 2, y: grid.rows * grid.cell / 2 } : this.table.middle);
    const edits = addMap(live.state.scene, map, place);
    if (edits.length === 0) return this.table.say(`${map.name} is on the table already.`);
    this.table.change(`Put ${map.name} on the table`, edits);
    this.table.say(`${map.name} is on the table.`, "spoken");
    if (isFirst) this.table.stage.fit();
  }

  #showLying() {
    const { scene } = this.table.live.state;
    const maps = mapsOf(scene, gridOf(scene)).reverse();
    this.#none.hidden = maps.length > 0;
    this.#rows.show(this.#lying, maps.map((map, i) => {
      const isChosen = this.table.chosen?.key === keyOf("map", map.key);
      const locked = isLocked(scene, map);
      const { key, name, folder, scale, rotation, isHidden } = map;
      return this.#rows.get(key, [name, folder, scale, rotation, isHidden, isChosen, locked, i, maps.length], () => this.#row(map, { isChosen, locked, isTop: i === 0, isLowest: i === maps.length - 1 }));
    }));
  }

  /** @param {import("../stage/model.js").MapThing} map @param {{ isChosen: boolean, locked: boolean, isTop: boolean, isLowest: boolean }} is */
  #row(map, { isChosen, locked, isTop, isLowest }) {
    const { table } = this;
    const { name } = map;
    const scene = () => table.live.state.scene;
    const set = (/** @type {string} */ words, /** @type {Record<string, unknown>} */ values) => table.change(words, setMap(scene(), map, values));
    const number = (/** @type {string} */ label, /** @type {string} */ words, /** @type {number} */ value, /** @type {Record<string, any>} */ props, /** @type {(value: number) => void} */ change) => {
      return h("label", { class: "field tiny" }, h("span", {}, label + words), numberInput(value, { ...props, "aria-label": `${label} of ${name}${words}` }, change));
    };
    return h("li", { class: `map-row${isChosen ? " chosen" : ""}${map.isHidden ? " is-hidden" : ""}` },
      h("button", { type: "button", class: "map-name", "aria-pressed": String(isChosen), on: { click: () => table.choose(isChosen ? null : { kind: "map", key: keyOf("map", map.key), id: name, thing: map }) } },
        h("img", { src: thumbUrl(map, THUMB), alt: "", width: 72, height: 48, loading: "lazy", on: { error: (/** @type {any} */ e) => { e.target.style.visibility = "hidden"; } } }), h("span", {}, name, map.isHidden && h("small", {}, " hidden"))),
      h("div", { class: "map-row-tools" },
        iconButton(map.isHidden ? "hidden" : "shown", map.isHidden ? `Show ${name} to all` : `Hide ${name}`, () => set(map.isHidden ? `Showed ${name}` : `Hid ${name}`, { isHidden: !map.isHidden })),
        iconButton(locked ? "lock" : "unlock", locked ? `Unlock ${name}` : `Lock ${name}`, () => this.#lock(map, locked)),
        disabled(iconButton("up", `Bring ${name} forward`, () => this.#stack(map, 1)), isTop),
        disabled(iconButton("down", `Send ${name} back`, () => this.#stack(map, -1)), isLowest),
        iconButton("delete", `Take ${name} off the table`, () => {
          table.choose(null);
          table.change(`Took ${name} off`, removeMap(scene(), map));
        })),
      isChosen && h("div", { class: "map-row-more" },
        number("Size", ", %", Math.round(map.scale * 1000) / 10, { min: "1", max: "2000", step: "5" }, (value) => this.hands.scale(value / 100)),
        number("Turned", ", degrees", Math.round(map.rotation * 10) / 10, { step: "15" }, (value) => this.hands.turnTo(value)),
        h("button", { type: "button", class: "button quiet small", on: { click: () => this.hands.turn(90) } }, "Turn 90°")));
  }

  /** @param {import("../stage/model.js").MapThing} map @param {boolean} locked */
  #lock(map, locked) {
    const { scene } = this.table.live.state;
    const edits = setMap(scene, map, { isLocked: !locked });
    // What all maps had in common is said of each of the others.
    if (scene.gridSettings?.mapsLocked === true) {
      edits.push({ op: "set", path: ["gridSettings", "mapsLocked"], value: false });
      for (const other of mapsOf(scene, gridOf(scene))) if (other.key !== map.key) edits.push(...setMap(scene, other, { isLocked: true }));
    }
    this.table.change(locked ? `Unlocked ${map.name}` : `Locked ${map.name}`, edits);
  }

  /** @param {import("../stage/model.js").MapThing} map @param {1 | -1} step */
  #stack(map, step) {
    const { scene } = this.table.live.state;
    const maps = mapsOf(scene, gridOf(scene));
    const at = maps.findIndex(({ key }) => key === map.key);
    const before = step > 0 ? maps[at + 2] : maps[at - 1];
    this.table.change(`Moved ${map.name} ${step > 0 ? "forward" : "back"}`, [{ op: "move", path: ["maps", mapStep(map)], before: before ? mapStep(before) : null }]);
  }
}

/** @param {HTMLButtonElement} button @param {boolean} is */
function disabled(button, is) {
  button.disabled = is;
  return button;
}
