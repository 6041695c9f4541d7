import { fillIn } from "../dialogs.js";
import { fill, fullNote, h, iconButton, numberInput } from "../dom.js";
import { TurnOrder, initiativeOf } from "../elements/turn-order.js";
import { keyOf } from "../stage/hit.js";
import { entriesOf, gridOf, isOut } from "../stage/model.js";
import { moveEntry, sortEntries, stepEntry } from "./order.js";
import { addEntries, place, placeFree, pointsAfter, rolled, setEntry } from "./scene.js";
import { ENTRY_TYPE } from "./table.js";

/** As many are added at once. */
const MOST = 30;

/** The initiative order in the GM's hands. Set `table` before inserting it. */
export class TurnsPanel extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  #gone = new AbortController();
  #turns = new TurnOrder();
  #name = h("input", { type: "text", required: true, maxLength: 80, autocomplete: "off", spellcheck: false });
  #initiative = h("input", { type: "text", value: "1d20", maxLength: 20, autocomplete: "off", spellcheck: false });
  #hp = h("input", { type: "text", maxLength: 20, autocomplete: "off", spellcheck: false, placeholder: "none" });
  #count = h("input", { type: "number", min: "1", max: String(MOST), value: "1" });
  #isPlayer = h("input", { type: "checkbox" });
  #steps = h("div", { class: "turn-steps" });
  #shows = h("input", { type: "checkbox" });
  #more = h("div", { class: "turn-more" },
    h("button", { type: "button", class: "button quiet small", on: { click: () => this.#sort() } }, "Sort by initiative"),
    h("label", { class: "check" }, this.#shows, h("span", {}, "Show everybody whose turn it is")));
  /** The entry that is dragged to another place, or onto the map. @type {string | null} */ #dragged = null;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const { live } = this.table;
    Object.assign(this.#turns, { live, controls: {
      of: (/** @type {Record<string, any>} */ entry) => this.#controls(entry),
      edit: (/** @type {Record<string, any>} */ entry) => this.#edit(entry),
      print: (/** @type {Record<string, any>} */ entry) => this.#holders(entry.id),
    } });
    this.#turns.addEventListener("find", (e) => this.#find(/** @type {CustomEvent} */ (e).detail), { signal });
    this.#turns.addEventListener("dragstart", (event) => {
      const id = idOf(rowOf(event));
      if (!id) return;
      event.dataTransfer?.setData(ENTRY_TYPE, id);
      this.#dragged = id;
    }, { signal });
    this.#takeDrops(signal);
    this.#shows.addEventListener("change", () => this.table.change("Showed whose turn it is", [{ op: "set", path: ["showCurrentPlayer"], value: this.#shows.checked }]), { signal });
    fill(this.#steps,
      h("button", { type: "button", class: "button quiet small", on: { click: () => this.table.turn(-1) } }, "Previous"),
      h("button", { type: "button", class: "button small", on: { click: () => this.table.turn(1) } }, "Next turn"));
    const form = h("form", { class: "entry-form", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#add();
    } } },
      h("h3", {}, "Add to the order"),
      h("label", { class: "field wide-field" }, h("span", {}, "Name"), this.#name, fullNote(this.#name)),
      h("label", { class: "field" }, h("span", {}, "Initiative or dice"), this.#initiative),
      h("label", { class: "field" }, h("span", {}, "Hit points"), this.#hp),
      h("label", { class: "field" }, h("span", {}, "How many"), this.#count),
      h("label", { class: "check" }, this.#isPlayer, h("span", {}, "A player's")),
      h("button", { type: "submit", class: "button wide-field" }, "Add"));
    fill(this, this.#steps, this.#turns, this.#more, form);
    live.addEventListener("scene", () => this.#show(), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** Puts an entry on the map. @param {string} id @param {import("../stage/geometry.js").Point} [at] else in the middle, where there is room */
  place(id, at) {
    const { scene } = this.table.live.state;
    const entry = entriesOf(scene).find((one) => one.id === id);
    if (!entry) return;
    const cell = gridOf(scene).cell;
    this.table.change(`Placed ${entry.name}`, at === undefined ? placeFree(scene, entry, this.table.middle) : place(scene, { kind: "token", key: keyOf("token", id), id, thing: { size: (entry.tokenFootprint ?? 1) * cell } }, at));
  }

  #show() {
    const { scene } = this.table.live.state;
    const none = entriesOf(scene).length === 0;
    this.#steps.hidden = none;
    this.#more.hidden = none;
    this.#shows.checked = scene?.showCurrentPlayer !== false;
  }

  #sort() {
    const edits = sortEntries(this.table.live.state.scene);
    if (edits.length === 0) return this.table.say("They are sorted already.");
    this.table.change("Sorted by initiative", edits);
  }

  /** @param {Record<string, any>} entry @param {1 | -1} step */
  #step({ id, name }, step) {
    const edits = stepEntry(this.table.live.state.scene, id, step);
    if (edits.length === 0) return this.table.say(`${name} is the ${step > 0 ? "last" : "first"} already.`);
    this.table.change(`Moved ${name} ${step > 0 ? "down" : "up"}`, edits);
    const at = entriesOf(this.table.live.state.scene).findIndex((entry) => entry.id === id);
    this.table.say(`${name} is number ${at + 1} now.`, "spoken");
  }

  /** What is dragged from the list can be put elsewhere in it. @param {AbortSignal} signal */
  #takeDrops(signal) {
    const unmark = () => {
      for (const row of this.#turns.querySelectorAll("[data-drop]")) row.removeAttribute("data-drop");
    };
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) => this.#turns.addEventListener(type, listener, { signal });
    // The one that enters counts as well: a quick hand lets go before the next.
    for (const type of ["dragenter", "dragover"]) on(type, (/** @type {DragEvent} */ event) => {
      const row = rowOf(event);
      if (this.#dragged === null || !row) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "move";
      const side = sideOf(row, event);
      if (row.dataset.drop === side) return;
      unmark();
      row.dataset.drop = side;
    });
    on("drop", (/** @type {DragEvent} */ event) => {
      const row = rowOf(event);
      const id = this.#dragged;
      if (id === null || !row) return;
      event.preventDefault();
      const before = sideOf(row, event) === "before" ? row : row.nextElementSibling;
      unmark();
      const { scene } = this.table.live.state;
      const name = entriesOf(scene).find((entry) => entry.id === id)?.name;
      this.table.change(`Moved ${name} in the order`, moveEntry(scene, id, idOf(before)));
    });
    on("dragleave", (/** @type {DragEvent} */ event) => {
      if (!this.#turns.contains(/** @type {Node | null} */ (event.relatedTarget))) unmark();
    });
    on("dragend", () => {
      unmark();
      this.#dragged = null;
    });
  }

  #add() {
    const name = this.#name.value.trim();
    const count = Math.min(MOST, Math.max(1, Math.round(this.#count.valueAsNumber) || 1));
    if (name === "") return;
    const some = [];
    for (let i = 1; i <= count; i++) {
      const initiative = rolled(this.#initiative.value || "1d20");
      const hp = this.#hp.value.trim() === "" ? null : rolled(this.#hp.value);
      if (initiative === null) return this.#wrong(this.#initiative, "Initiative is a number, or dice such as 1d20+3.");
      if (hp === null && this.#hp.value.trim() !== "") return this.#wrong(this.#hp, "Hit points are a number, or dice such as 2d8+4.");
      some.push({ name: count > 1 ? `${name} ${i}` : name, initiative, hp, isPlayer: this.#isPlayer.checked });
    }
    // Who comes together stands in the order of what was rolled.
    some.sort((a, b) => b.initiative - a.initiative);
    this.table.change(`Added ${name}`, addEntries(this.table.live.state.scene, some));
    this.#name.value = "";
    this.#count.value = "1";
    // Who comes next is mostly none, and of a monster nobody is to see the hit points.
    this.#isPlayer.checked = false;
    this.#name.focus();
  }

  /** @param {Record<string, any>} entry */
  async #edit(entry) {
    const now = { name: String(entry.name ?? ""), initiative: String(entry.initiative ?? ""), isPlayer: entry.isPlayer === true };
    const name = h("input", { type: "text", value: now.name, required: true, maxLength: 80, autocomplete: "off", spellcheck: false });
    const initiative = h("input", { type: "text", value: now.initiative, maxLength: 20, autocomplete: "off", spellcheck: false });
    const isPlayer = h("input", { type: "checkbox", checked: now.isPlayer });
    await fillIn({ title: `Edit ${now.name}`, text: "Of a player's everybody sees the hit points, of others only how hurt they look.", yes: "Save", fields: [
      h("label", { class: "field" }, h("span", {}, "Name"), name, fullNote(name)),
      h("label", { class: "field" }, h("span", {}, "Initiative"), initiative),
      h("label", { class: "check" }, isPlayer, h("span", {}, "A player's")),
    ], attempt: async () => {
      // What is left as it was may have been changed by somebody else meanwhile.
      const values = {
        ...(name.value.trim() !== now.name && { name: filled(name) }),
        ...(initiative.value.trim() !== now.initiative && { initiative: numberIn(initiative) }),
        ...(isPlayer.checked !== now.isPlayer && { isPlayer: isPlayer.checked }),
      };
      this.table.change(`Changed ${now.name}`, setEntry(entry.id, values));
    } });
  }

  /** @param {HTMLInputElement} input @param {string} words */
  #wrong(input, words) {
    this.table.say(words, "error");
    input.focus();
  }

  /** Who may hold an entry: who is here, and whoever holds it and is away. @param {string} entry */
  #holders(entry) {
    const { members, away } = this.table.live.state;
    const isTheirs = (/** @type {import("../live/state.js").Member} */ { entries }) => entries?.includes(String(entry)) === true;
    return [
      ...members.filter(({ role }) => role === "player").map((member) => ({ id: member.id, words: member.name, holds: isTheirs(member) })),
      ...away.filter(isTheirs).map(({ id, name }) => ({ id, words: `${name} (away)`, holds: true })),
    ];
  }

  /** @param {Record<string, any>} entry */
  #controls(entry) {
    const { table } = this;
    const { id } = entry;
    const name = String(entry.name ?? "");
    const hp = Number(entry.hp);
    const hasPoints = entry.hp !== undefined && entry.hp !== null && Number.isFinite(hp);
    const isDown = isOut(entry);
    // Nobody is up again without a hit point.
    const revived = { isKilled: false, ...(hasPoints && hp <= 0 && { hp: 1 }) };
    const set = (/** @type {number} */ points) => table.change(`Hit points of ${name}`, setEntry(id, { hp: points }));
    // From what there is now, which may be more or less than is shown while something is typed.
    const now = () => Number(entriesOf(table.live.state.scene).find((one) => one.id === id)?.hp ?? hp);
    const by = (/** @type {number} */ points) => set(now() + points);
    const holders = this.#holders(id);
    const holder = h("select", { "aria-label": `Who plays ${name}`, on: { change: () => table.live.assign(id, holder.value || null).catch((/** @type {Error} */ e) => table.trouble(e)) } },
      h("option", { value: "" }, "Nobody's"), ...holders.map((one) => h("option", { value: one.id }, one.words)));
    holder.value = holders.find(({ holds }) => holds)?.id ?? "";
    const points = numberInput(hp, { type: "text", autocomplete: "off", class: "points", "aria-label": `Hit points of ${name}`, title: "A number sets them; +5 heals five, -5 takes five away" }, set, ({ value }) => pointsAfter(value, now(), hp));
    // A sign is written over what is there. Browsers put the cursor where the mouse is when all else is done.
    points.addEventListener("focus", () => points.select());
    points.addEventListener("click", () => setTimeout(() => points.dataset.typed === undefined && points.selectionStart === points.selectionEnd && points.select()));
    const row = h("div", { class: "turn-tools", role: "group", "aria-label": `For ${name}`, "data-entry": id },
      hasPoints && h("button", { type: "button", class: "step", "aria-label": `One hit point less for ${name}`, on: { click: () => by(-1) } }, "−"),
      hasPoints && points,
      hasPoints && h("button", { type: "button", class: "step", "aria-label": `One hit point more for ${name}`, on: { click: () => by(1) } }, "+"),
      h("button", { type: "button", class: "button quiet small", "aria-label": isDown ? `Revive ${name}` : `${name} is down`, on: { click: () => table.change(isDown ? `Revived ${name}` : `${name} is down`, setEntry(id, isDown ? revived : { isKilled: true })) } }, isDown ? "Revive" : "Down"),
      !entry.mapPosition && h("button", { type: "button", class: "button quiet small", "aria-label": `Put ${name} on the map`, on: { click: () => this.place(id) } }, "Place"),
      iconButton("delete", `Remove ${name} from the order`, () => table.change(`Removed ${name}`, [{ op: "delete", path: ["initiativeOrder", { id }] }])),
      holders.length > 0 && holder);
    queueMicrotask(() => row.closest(".turn")?.setAttribute("draggable", "true"));
    const order = h("div", { class: "turn-place", role: "group", "aria-label": `Place of ${name}` },
      iconButton("up", `Move ${name} up in the order`, () => this.#step(entry, -1)), iconButton("down", `Move ${name} down in the order`, () => this.#step(entry, 1)));
    return [order, row];
  }

  /** @param {string} id */
  #find(id) {
    const { stage } = this.table;
    const thing = stage.tokens.find((token) => token.id === id);
    if (!thing) return;
    this.table.choose({ kind: "token", key: keyOf("token", id), id, thing });
    this.table.lookAt(thing);
  }
}

/** @param {HTMLInputElement} input */
function filled(input) {
  const text = input.value.trim();
  if (text !== "") return text;
  input.focus();
  throw new Error("It needs a name.");
}
/** @param {HTMLInputElement} input */
function numberIn(input) {
  input.focus();
  return initiativeOf(input.value.trim());
}
/** The row of the order where something happens. @param {Event} event @returns {HTMLElement | null} */
const rowOf = ({ target }) => (target instanceof Element ? target.closest(".turn") : null);
/** Whether something is above or below a row's middle. @param {HTMLElement} row @param {MouseEvent} event */
function sideOf(row, { clientY }) {
  const { top, height } = row.getBoundingClientRect();
  return clientY < top + height / 2 ? "before" : "after";
}
/** @param {Element | null} row @returns {string | null} */
const idOf = (row) => row?.querySelector("[data-entry]")?.getAttribute("data-entry") ?? null;
