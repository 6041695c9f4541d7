import { fill, h, say } from "../dom.js";

const SIDES = [4, 6, 8, 10, 12, 20, 100];
const MOST_DICE = 20;
const MOST_BONUS = 50;

/** Dice, which the server rolls. Set `live` before inserting it. */
export class DiceTray extends HTMLElement {
  /** @type {import("../live.js").Live} */ live;
  #count = 1;
  #bonus = 0;
  #luck = "";
  #gone = new AbortController();
  #result = h("div", { class: "roll-result", role: "status" });
  #secret = h("input", { type: "checkbox" });
  #expr = h("input", { type: "text", autocomplete: "off", spellcheck: false, autocapitalize: "off", maxLength: 100, placeholder: "4d6kh3+2", enterKeyHint: "go" });

  connectedCallback() {
    this.#gone = new AbortController();
    this.live.addEventListener("rolled", (/** @type {CustomEvent} */ { detail }) => {
      if (detail.from === this.live.state.you?.id && this.live.state.status === "live") this.#show(detail);
    }, { signal: this.#gone.signal });
    const luck = [["", "Normal"], ["kh1", "Advantage"], ["kl1", "Disadvantage"]].map(([value, words]) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "luck", value, checked: value === this.#luck, on: { change: () => { this.#luck = value; } } }), h("span", {}, words)));
    const typed = h("form", { class: "roll-typed", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (this.#expr.value.trim() !== "") this.#roll(this.#expr.value.trim());
    } } }, h("label", { class: "field" }, h("span", {}, "Or write it"), this.#expr), h("button", { type: "submit", class: "button quiet" }, "Roll"));
    fill(this,
      this.#result,
      h("div", { class: "steppers" },
        this.#stepper("Dice", () => this.#count, (by) => { this.#count = clamp(this.#count + by, 1, MOST_DICE); }, String),
        this.#stepper("Bonus", () => this.#bonus, (by) => { this.#bonus = clamp(this.#bonus + by, -MOST_BONUS, MOST_BONUS); }, signed)),
      h("div", { class: "dice-buttons", role: "group", "aria-label": "Roll" }, ...SIDES.map((sides) =>
        h("button", { type: "button", class: `die${sides === 20 ? " main" : ""}`, on: { click: () => this.#roll(this.#exprOf(sides)) } }, `d${sides}`))),
      h("fieldset", { class: "choices" }, h("legend", {}, "Rolling a d20"), ...luck),
      h("label", { class: "check" }, this.#secret, h("span", {}, "Show the roll to the GM only")),
      typed);
    if (!this.#result.hasChildNodes()) fill(this.#result, h("p", { class: "soft" }, "Tap a die. The server rolls, so nobody has to take your word for it."));
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** @param {number} sides */
  #exprOf(sides) {
    const bonus = this.#bonus === 0 ? "" : signed(this.#bonus).replace("−", "-");
    if (sides === 20 && this.#luck !== "" && this.#count === 1) return `2d20${this.#luck}${bonus}`;
    return `${this.#count}d${sides}${bonus}`;
  }

  /** @param {string} expr */
  async #roll(expr) {
    let waits = false;
    try {
      const answer = this.live.roll(expr, this.#secret.checked ? "gm" : undefined);
      waits = this.live.state.status === "waiting" || this.live.state.status === "connecting";
      if (waits) this.#tell(h("p", { class: "soft" }, `${expr} is rolled when the connection is back.`));
      await answer;
      say(this, "", "done");
    } catch (error) {
      if (waits) this.#tell();
      say(this, `${expr}: ${/** @type {Error} */ (error).message}`, "error");
    }
  }

  /** @param {any} roll */
  #show(roll) {
    this.#tell(
      h("p", { class: "roll-total" }, String(roll.total)),
      h("p", { class: "soft" }, `${roll.expr}: `, ...diceNodes(roll.dice), roll.to ? " (GM only)" : ""));
  }

  /** @param {...Node} what stands where results do */
  #tell(...what) {
    fill(this.#result, ...what);
    // Whoever writes what to roll does so at the other end.
    this.#result.scrollIntoView({ block: "nearest" });
  }

  /**
   * @param {string} name
   * @param {() => number} value
   * @param {(by: number) => void} change
   * @param {(value: number) => string} words
   */
  #stepper(name, value, change, words) {
    const shown = h("output", { "aria-live": "polite" }, words(value()));
    const button = (/** @type {number} */ by, /** @type {string} */ sign, /** @type {string} */ label) =>
      h("button", { type: "button", class: "step", "aria-label": label, on: { click: () => {
        change(by);
        shown.textContent = words(value());
      } } }, sign);
    return h("div", { class: "stepper", role: "group", "aria-label": name },
      h("span", { class: "stepper-name" }, name), button(-1, "−", `${name}: one less`), shown, button(1, "+", `${name}: one more`));
  }
}

/**
 * What every die shows; those that do not count are struck out.
 *
 * @param {any} dice
 * @returns {(Node | string)[]}
 */
export function diceNodes(dice) {
  if (!Array.isArray(dice)) return [];
  return dice.flatMap(({ values = [], kept = [] }, i) => [
    i > 0 ? " " : "",
    ...values.map((/** @type {number} */ value, /** @type {number} */ at) =>
      (kept[at] === false ? h("s", { class: "die-value" }, String(value)) : h("span", { class: "die-value" }, String(value)))),
  ]);
}

/** @param {number} value */
const signed = (value) => (value < 0 ? `−${-value}` : `+${value}`);
/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
