import { h, iconButton } from "../dom.js";

/** How long a note stays, in milliseconds; an error stays until it is put right, or closed. */
const STAYS = 6000;

/** One line that says what just happened, aloud too. */
export class StatusLine extends HTMLElement {
  #text = h("p", { role: "status", "aria-live": "polite" });
  #timer = 0;
  /** Whose error is shown. @type {EventTarget | null} */ #from = null;

  connectedCallback() {
    this.replaceChildren(this.#text, iconButton("close", "Close this message", () => this.#clear()));
    this.#clear();
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
    if (kind !== "error") this.#timer = setTimeout(() => this.#clear(), STAYS);
  }

  // The paragraph stays in the page: a live region must be there before its text changes.
  #clear() {
    this.#text.textContent = "";
    this.#from = null;
    this.classList.remove("shown");
  }
}
