import { h, iconButton } from "../dom.js";

/** How long a note stays, in milliseconds; an error stays until it is put right, or closed, or for `errorStays`. */
const STAYS = 6000;

/** One line that says what just happened, aloud too. A touch closes it. */
export class StatusLine extends HTMLElement {
  /** In milliseconds. */ errorStays = Infinity;
  #text = h("p", { role: "status", "aria-live": "polite" });
  #timer = 0;
  /** Whose error is shown. @type {EventTarget | null} */ #from = null;

  connectedCallback() {
    this.replaceChildren(this.#text, iconButton("close", "Close this message", () => this.#clear()));
    this.#clear();
    this.addEventListener("click", this.#touched);
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /**
   * Shows what an element of the page says. What went wrong there goes when something else is said, or when the same
   * element says that it has `done` what it was asked for.
   *
   * @param {Event} event
   */
  hear(event) {
    const { text, kind } = /** @type {CustomEvent} */ (event).detail;
    if (kind !== "done") this.show(text, kind, event.target);
    else if (this.#from === event.target) this.#clear();
  }

  /**
   * @param {string} text
   * @param {"note" | "error" | "spoken"} kind
   * @param {EventTarget | null} [from] who says it
   */
  show(text, kind, from = null) {
    clearTimeout(this.#timer);
    this.#from = kind === "error" ? from : null;
    this.#text.textContent = text;
    this.classList.toggle("shown", kind !== "spoken");
    this.classList.toggle("error", kind === "error");
    const stays = kind === "error" ? this.errorStays : STAYS;
    if (stays !== Infinity) this.#timer = setTimeout(() => this.#clear(), stays);
  }

  /** Whoever has selected some of the words wants to keep them. */
  #touched = () => getSelection()?.isCollapsed !== false && this.#clear();

  // The paragraph stays in the page: a live region must be there before its text changes.
  #clear() {
    this.#text.textContent = "";
    this.#from = null;
    this.classList.remove("shown");
  }
}
