import { fill, h, iconButton, isTypedIn, numberInput } from "../dom.js";
import { ruleOf } from "../stage/measure.js";
import { areasSnap, gridOf } from "../stage/model.js";
import { FOOTPRINTS } from "./hands.js";

/** How distances are counted, as the scene writes it. */
const RULES = /** @type {Record<string, { words: string, values: Record<string, string> }>} */ ({
  fiveFeet: { words: "Diagonals 5 ft each (on our pages only)", values: { distanceMode: "dnd", dndDiagonalRule: "fiveFeet" } },
  alternating: { words: "Diagonals 5, 10, 5 ft", values: { distanceMode: "dnd", dndDiagonalRule: "alternating" } },
  tenFeet: { words: "Diagonals 10 ft each", values: { distanceMode: "dnd", dndDiagonalRule: "tenFeet" } },
  euclidean: { words: "As the crow flies", values: { distanceMode: "euclidean" } },
});
const THEMES = [["pixel", "Pixels"], ["realistic", "Realistic"], ["none", "None"]];
/** A token's size where SpellTable has none, in pixels. */
const TOKEN = 50;

/** @typedef {import("./table.js").GmTable} GmTable */

/**
 * How distances are counted, to choose from.
 *
 * @param {GmTable} table
 */
export function ruleChoice(table) {
  const select = h("select", { "aria-label": "How distances are counted", on: { change: () => setGrid(table, RULES[select.value].values) } },
    ...Object.entries(RULES).map(([rule, { words }]) => h("option", { value: rule }, words)));
  const { mode, diagonals } = ruleOf(table.live.state.scene);
  select.value = mode === "euclidean" ? mode : diagonals;
  return select;
}

/** @param {GmTable} table @param {Record<string, unknown>} values */
export function setGrid(table, values) {
  const { scene } = table.live.state;
  const has = typeof scene?.gridSettings === "object" && scene.gridSettings !== null;
  table.change("Changed the grid", has
    ? Object.entries(values).map(([key, value]) => ({ op: "set", path: ["gridSettings", key], value }))
    : [{ op: "set", path: ["gridSettings"], value: values }]);
}

/** All settings of the grid. Set `table` before inserting it. Event: `shut`. */
export class GridPanel extends HTMLElement {
  /** @type {GmTable} */ table;
  #gone = new AbortController();
  #fields = h("div", { class: "grid-fields" });
  #print = "";

  connectedCallback() {
    this.#gone = new AbortController();
    this.setAttribute("role", "group");
    this.setAttribute("aria-labelledby", "grid-title");
    fill(this, h("div", { class: "grid-head" }, h("h3", { id: "grid-title" }, "Grid"), iconButton("close", "Close the grid's settings", () => this.dispatchEvent(new Event("shut")))), this.#fields);
    this.table.live.addEventListener("scene", () => this.#show(), { signal: this.#gone.signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  #show() {
    const { scene } = this.table.live.state;
    const settings = scene?.gridSettings ?? {};
    const print = JSON.stringify(settings);
    const focused = document.activeElement;
    if (this.#print === print) return;
    // Nobody loses what they are typing to somebody else's change.
    if (isTypedIn(this.#fields)) return;
    this.#print = print;
    const before = focused instanceof HTMLElement && this.#fields.contains(focused) ? focused.closest("label")?.textContent : null;
    fill(this.#fields, ...this.#controls(settings));
    if (before) [...this.#fields.querySelectorAll("label")].find((label) => label.textContent === before)?.querySelector("input, select")?.focus();
  }

  /** @param {Record<string, any>} settings */
  #controls(settings) {
    const { cell, columns, rows, isFixed, isShown, color, opacity } = gridOf(this.table.live.state.scene);
    return [
      this.#check("Show the grid", "showGrid", isShown),
      this.#field("Colour", h("input", { type: "color", value: /^#[0-9a-f]{6}$/i.test(color) ? color : "#ffffff" }), (value) => ({ gridColor: value })),
      this.#field("Opacity", h("input", { type: "range", min: "0", max: "1", step: "0.05", value: String(opacity) }), (value) => ({ gridOpacity: Number(value) })),
      this.#check("A fixed number of cells", "useFixedGrid", isFixed),
      isFixed && this.#number("Columns", "gridCellsX", columns, 1, 1000),
      isFixed && this.#number("Rows", "gridCellsY", rows, 1, 1000),
      !isFixed && this.#number("Cell, pixels", "gridSize", cell, 5, 1000),
      this.#check("Tokens stand on whole cells", "tokenSnapToGrid", settings.tokenSnapToGrid !== false),
      this.#check("Areas keep to the grid", "aoeSnapToGrid", areasSnap(this.table.live.state.scene)),
      this.#check("New areas are hidden at first", "aoeStagedReveal", settings.aoeStagedReveal === true),
      this.#check("All maps stay where they are", "mapsLocked", settings.mapsLocked === true),
      h("label", { class: "field tiny" }, h("span", {}, "Distances"), ruleChoice(this.table)),
      this.#choice("New tokens", FOOTPRINTS.map((cells) => [String(cells), `${cells} × ${cells}`]), String(settings.defaultTokenFootprint ?? 1), (value) => ({ defaultTokenFootprint: Number(value) })),
      h("details", { open: this.#fields.querySelector("details")?.open ?? false }, h("summary", {}, "For SpellTable's pages"), h("div", { class: "grid-fields" },
        this.#check("Players see where tokens went", "showMovementTrailToPlayers", settings.showMovementTrailToPlayers !== false),
        this.#choice("Effects of areas", THEMES, String(settings.aoeEffectTheme ?? "pixel"), (value) => ({ aoeEffectTheme: value })),
        this.#number("Token, pixels", "defaultTokenSize", Number.isFinite(settings.defaultTokenSize) ? settings.defaultTokenSize : TOKEN, 5, 1000))),
    ];
  }

  /** @param {string} words @param {string} key @param {boolean} is */
  #check(words, key, is) {
    const box = h("input", { type: "checkbox", checked: is, on: { change: () => setGrid(this.table, { [key]: box.checked }) } });
    return h("label", { class: "check" }, box, h("span", {}, words));
  }

  /** @param {string} words @param {string} key @param {number} value @param {number} least @param {number} most */
  #number(words, key, value, least, most) {
    return h("label", { class: "field tiny" }, h("span", {}, words), numberInput(value, { min: String(least), max: String(most) }, (now) => {
      if (now >= least && now <= most) setGrid(this.table, { [key]: now });
    }));
  }

  /** @param {string} words @param {string[][]} options @param {string} value @param {(value: string) => Record<string, unknown>} values */
  #choice(words, options, value, values) {
    const select = h("select", {}, ...options.map(([name, shown]) => h("option", { value: name }, shown)));
    select.value = value;
    return this.#field(words, select, values);
  }

  /** @template {HTMLInputElement | HTMLSelectElement} T @param {string} words @param {T} input @param {(value: string) => Record<string, unknown>} values */
  #field(words, input, values) {
    input.addEventListener("change", () => setGrid(this.table, values(input.value)));
    return h("label", { class: "field tiny" }, h("span", {}, words), input);
  }
}
