import { ApiError, LONGEST_NAME, door, joinTable } from "../api.js";
import { fill, fullNote, h } from "../dom.js";

/**
 * Asks for a name, and for the table's code where one is needed. Nothing is joined before the button is
 * pressed. Set `code`, `name`, `heading` and `trouble` before inserting it. Event: `enter` with `{ name, table }`.
 */
export class JoinDoor extends HTMLElement {
  code = "";
  name = "";
  heading = "";
  trouble = "";
  /** Where this browser sits already. @type {Awaited<ReturnType<typeof door>>["seat"]} */ #seat = null;
  /** @type {Promise<void>} */ #looked;
  #trouble = h("p", { class: "trouble", role: "alert" });
  #known = h("div", { class: "known-seat", hidden: true });
  #name = h("input", { type: "text", name: "name", required: true, maxLength: LONGEST_NAME, autocomplete: "nickname", spellcheck: false, enterKeyHint: "go" });
  #code = h("input", { type: "text", name: "code", maxLength: 12, autocomplete: "off", autocapitalize: "characters", spellcheck: false, class: "code-input", enterKeyHint: "go" });
  #codeField = h("label", { class: "field", hidden: true }, h("span", {}, "The table's code"), this.#code,
    h("small", {}, "Four letters and digits. Your GM has them, and a QR code that fills them in."));
  #submit = h("button", { type: "submit", class: "button wide" }, "Join the table");
  #other = h("button", { type: "button", class: "button quiet wide", hidden: true, on: { click: () => this.#askForCode() } }, "Another table");
  #fields = h("fieldset", { class: "bare" }, h("label", { class: "field" }, h("span", {}, "Your name"), this.#name, fullNote(this.#name)), this.#codeField, this.#submit, this.#other);

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
      this.#trouble, this.#known, form);
    if (this.code !== "") this.#showCode();
    this.#looked = this.#look();
    if (this.name === "") this.#name.focus();
  }

  /** Whether a code is needed, and whether there is a seat that would be given up. */
  async #look() {
    try {
      const { open, seat } = await door();
      if (seat?.role === "display") this.#warn(seat);
      else if (this.code === "" && seat) this.#goOn(seat);
      if (this.code === "" && !open && !this.#seat) this.#showCode();
    } catch (error) {
      if (/** @type {ApiError} */ (error).status === 0) this.#say(error);
      this.#showCode();
    }
  }

  /** One sits here already: nothing need be joined. @param {import("../api.js").Table & { role: "player" | "display" }} seat */
  #goOn(seat) {
    this.#seat = seat;
    this.#submit.textContent = `Go on at ${seat.name}`;
    this.#other.hidden = false;
  }

  #askForCode() {
    this.#seat = null;
    this.#other.hidden = true;
    this.#submit.textContent = "Join the table";
    this.#showCode();
    this.#code.focus();
  }

  /** A screen would lose its place. @param {import("../api.js").Table} table */
  #warn(table) {
    fill(this.#known, h("p", {}, "This browser is a screen of ", h("strong", {}, table.name), ". Whoever joins here as a player takes its place."),
      h("a", { class: "button wide", href: "/display" }, "Back to the screen"));
    this.#known.hidden = false;
    this.#submit.textContent = "Join as a player all the same";
    this.#submit.classList.add("quiet");
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
    const isWarned = !this.#known.hidden;
    await this.#looked;
    // Nobody gives up a screen's place who was not told of it.
    if (!isWarned && !this.#known.hidden) {
      this.#fields.disabled = false;
      return;
    }
    try {
      const needsCode = !this.#codeField.hidden;
      const { id, name: called } = this.#seat ?? await joinTable(needsCode ? { code, role: "player" } : { role: "player" });
      this.dispatchEvent(new CustomEvent("enter", { detail: { name, table: { id, name: called } } }));
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
