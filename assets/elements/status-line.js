import { h, iconButton } from "../dom.js";

/** How long a note stays, in milliseconds; errors stay until they are closed. */
const STAYS = 6000;

/** One line that says what just happened, aloud too. */
export class StatusLine extends HTMLElement {
  #text = h("p", { role: "status", "aria-live": "polite" });
  #timer = 0;

  connectedCallback() {
    this.replaceChildren(this.#text, iconButton("close", "Close this message", () => this.#clear()));
    this.#clear();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /**
   * @param {string} text
   * @param {"note" | "error" | "spoken"} kind
   */
  show(text, kind) {
    clearTimeout(this.#timer);
    this.#text.textContent = text;
    this.classList.toggle("shown", kind !== "spoken");
    this.classList.toggle("error", kind === "error");
    if (kind !== "error") this.#timer = setTimeout(() => this.#clear(), STAYS);
  }

  // The paragraph stays in the page: a live region must be there before its text changes.
  #clear() {
    this.#text.textContent = "";
    this.classList.remove("shown");
  }
}
