import { Nodes, fill, h, iconButton, say } from "../dom.js";
import { prompt } from "../dialogs.js";
import { entriesOf, healthOf, isOut } from "../stage/model.js";

const WORDS = { unhurt: "Unhurt", hurt: "Hurt", bloodied: "Bloodied", down: "Down" };

/**
 * @typedef {object} Controls what the GM can do to an entry
 * @property {(entry: Record<string, any>) => Node[]} of
 * @property {(entry: Record<string, any>) => unknown} print what they show beside the entry itself
 * @property {(entry: Record<string, any>) => void} edit
 */

/**
 * The initiative order, as players see it unless it has `controls`. Set `live` before inserting it.
 * Event: `find` with an entry's id.
 */
export class TurnOrder extends HTMLElement {
  /** @type {import("../live.js").Live} */ live;
  /** @type {Controls | null} */ controls = null;
  #gone = new AbortController();
  #list = h("ol", { class: "turns" });
  #nodes = new Nodes();
  /** Whose turn was brought into view last. */ #followed = "";
  /** The list may be out of sight when the turn changes. */
  #size = new ResizeObserver(() => this.#follow());

  connectedCallback() {
    this.#gone = new AbortController();
    for (const type of ["scene", "members"]) this.live.addEventListener(type, () => this.#show(), { signal: this.#gone.signal });
    // What came while a number was typed; when it is known where the focus goes.
    this.addEventListener("focusout", () => setTimeout(() => this.#show()), { signal: this.#gone.signal });
    this.#show();
    this.#size.observe(this);
  }

  disconnectedCallback() {
    this.#size.disconnect();
    this.#gone.abort();
  }

  #show() {
    const { scene, you, members } = this.live.state;
    const entries = entriesOf(scene);
    if (entries.length === 0) {
      fill(this, h("p", { class: "empty-words" }, h("strong", {}, "No turns yet"), this.controls ? "Add who fights below: what they rolled decides their place." : "When the GM starts a fight, you see here whose turn it is."));
      return;
    }
    const own = /** @type {any} */ (members.find(({ id }) => id === you?.id))?.entries ?? [];
    const showsTurn = scene?.showCurrentPlayer !== false;
    if (this.#list.parentNode !== this) fill(this, this.#list);
    /** @type {Map<unknown, number>} */
    const seen = new Map();
    this.#nodes.show(this.#list, entries.map((entry) => {
      const isMine = own.includes(String(entry.id));
      const isCurrent = showsTurn && entry.isCurrentTurn === true;
      const value = [entry, isMine, isCurrent, this.controls?.print(entry)];
      const nth = seen.get(entry.id) ?? 0;
      seen.set(entry.id, nth + 1);
      return this.#nodes.get(`${nth} ${entry.id}`, value, () => this.#entry(entry, isMine, isCurrent));
    }));
    this.#follow();
  }

  /** Brings whose turn it is into view, once: whoever looks elsewhere in the list afterwards is left there. */
  #follow() {
    const row = /** @type {HTMLElement | null} */ (this.#list.querySelector(".current"));
    const id = row?.dataset.turn ?? "";
    if (id === this.#followed || !this.checkVisibility()) return;
    this.#followed = id;
    if (row) reveal(row);
  }

  /** @param {Record<string, any>} entry @param {boolean} isMine @param {boolean} isCurrent */
  #entry(entry, isMine, isCurrent) {
    const health = healthOf(entry);
    const hasPoints = Number.isFinite(entry.hp) && Number.isFinite(entry.initialHP);
    const state = health === "down" && !isOut(entry) ? "Dying" : health && WORDS[health];
    const words = [state, hasPoints && `${entry.hp} of ${entry.initialHP} hp`].filter(Boolean).join(", ");
    const name = String(entry.name ?? "");
    const place = typeof entry.mapPosition === "object" && entry.mapPosition !== null;
    return h("li", { class: `turn${isCurrent ? " current" : ""}${isMine ? " mine" : ""}${isOut(entry) ? " down" : ""}`, "aria-current": isCurrent ? "true" : null, "data-turn": String(entry.id) },
      h("span", { class: "turn-number" }, Number.isFinite(entry.initiative) ? String(entry.initiative) : "–"),
      h("span", { class: "turn-words" },
        h("strong", {}, name),
        h("span", { class: "turn-state", "data-health": health ?? "unknown" },
          [isCurrent && "Their turn", isMine && "Yours", words].filter(Boolean).join(" · ").replace("Their turn · Yours", "Your turn"))),
      this.controls ? iconButton("rename", `Edit ${name}`, () => this.controls?.edit(entry))
        : isMine && iconButton("rename", `Set the initiative of ${name}`, () => this.#setInitiative(entry)),
      place && iconButton("find", `Show ${name} on the map`, () => this.dispatchEvent(new CustomEvent("find", { detail: entry.id }))),
      ...(this.controls?.of(entry) ?? []));
  }

  /** @param {Record<string, any>} entry */
  async #setInitiative(entry) {
    await prompt({ title: `Initiative of ${entry.name}`, text: "What did you roll, everything added?", label: "Initiative", yes: "Set", value: String(entry.initiative ?? ""), attempt: async (said) => {
      const value = initiativeOf(said);
      this.live.change([{ op: "set", path: ["initiativeOrder", { id: entry.id }, "initiative"], value }]).catch((/** @type {Error} */ error) => say(this, error.message, "error"));
    } });
  }
}

/** Scrolls what a row is in, as little as it takes, and nothing around that. @param {HTMLElement} row */
function reveal(row) {
  let box = row.parentElement;
  while (box && !/auto|scroll/.test(getComputedStyle(box).overflowY)) box = box.parentElement;
  if (!box || box === document.documentElement || box === document.body) return;
  const [{ top, bottom }, around] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  const above = around.top + box.clientTop + (parseFloat(getComputedStyle(box).scrollPaddingTop) || 0);
  const below = around.top + box.clientTop + box.clientHeight;
  const by = top < above ? top - above : bottom > below ? Math.min(bottom - below, top - above) : 0;
  // At once: a way that takes time would be broken off by the next turn, with the row behind the bar above.
  if (by !== 0) box.scrollBy({ top: by, behavior: "instant" });
}

/** What somebody says that they have rolled. @param {string} said @throws when it is no number */
export function initiativeOf(said) {
  const value = Number(said.replace(",", "."));
  if (!Number.isFinite(value) || said === "") throw new Error("An initiative is a number.");
  return value;
}
