import { ApiError, joinTable } from "../api.js";
import { fill, h } from "../dom.js";

/**
 * Asks for a name, and for the table's code where one is needed. Set `code`, `name`, `heading` and
 * `trouble` before inserting it. Event: `enter` with `{ name, table }`.
 */
export class JoinDoor extends HTMLElement {
  code = "";
  name = "";
  heading = "";
  trouble = "";
  /** A table that is open to all. @type {import("../api.js").Table | null} */ #open = null;
  #trouble = h("p", { class: "trouble", role: "alert" });
  #name = h("input", { type: "text", name: "name", required: true, maxLength: 64, autocomplete: "nickname", spellcheck: false, enterKeyHint: "go" });
  #code = h("input", { type: "text", name: "code", maxLength: 12, autocomplete: "off", autocapitalize: "characters", spellcheck: false, class: "code-input", enterKeyHint: "go" });
  #codeField = h("label", { class: "field", hidden: true }, h("span", {}, "The table's code"), this.#code,
    h("small", {}, "Four letters and digits. Your GM has them, and a QR code that fills them in."));
  #submit = h("button", { type: "submit", class: "button wide" }, "Join the table");
  #fields = h("fieldset", { class: "bare" }, h("label", { class: "field" }, h("span", {}, "Your name"), this.#name), this.#codeField, this.#submit);

  connectedCallback() {
    this.#name.value = this.name;
    this.#code.value = this.code;
    this.#trouble.textContent = this.trouble;
    const form = h("form", { class: "door", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#join();
    } } }, this.#fields);
    fill(this,
      h("header", {}, h("img", { src: "/ui/icon.svg", alt: "", width: 64, height: 64 }), h("h1", {}, this.heading || "Come to the table")),
      this.#trouble, form);
    // Without a code it is asked whether one is needed at all.
    if (this.code === "") this.#knock();
    else this.#showCode();
    if (this.name === "") this.#name.focus();
  }

  async #knock() {
    try {
      this.#open = await joinTable({ role: "player" });
    } catch (error) {
      if (/** @type {ApiError} */ (error).status === 0) this.#say(error);
      this.#showCode();
    }
  }

  #showCode() {
    this.#codeField.hidden = false;
    // What cannot be seen must not be asked for.
    this.#code.required = true;
  }

  async #join() {
    const code = this.#code.value.trim();
    const name = this.#name.value.trim();
    if (name === "") return this.#name.focus();
    this.#fields.disabled = true;
    this.#trouble.textContent = "";
    try {
      const needsCode = !this.#codeField.hidden;
      const table = needsCode ? await joinTable({ code, role: "player" }) : (this.#open ?? await joinTable({ role: "player" }));
      this.dispatchEvent(new CustomEvent("enter", { detail: { name, table } }));
    } catch (error) {
      this.#fields.disabled = false;
      this.#showCode();
      const { status } = /** @type {ApiError} */ (error);
      if (status === 404) {
        this.#trouble.textContent = "No table has this code. Look at it again: there is no 0 or O, no 1, I or L in it.";
        this.#code.select();
      } else this.#say(error);
    }
  }

  /** @param {unknown} error */
  #say(error) {
    this.#trouble.textContent = /** @type {Error} */ (error).message;
  }
}
