import { fitting } from "../chat/files.js";
import { h, icon, say } from "../dom.js";

/** Where one writes. Set `room` before inserting it. */
export class ChatComposer extends HTMLElement {
  /** @type {import("../chat/room.js").ChatRoom} */ room;
  #text = h("textarea", { rows: 1, "aria-label": "Message", placeholder: "Write a message", enterKeyHint: "send", maxLength: 40_000 });

  connectedCallback() {
    const file = h("input", { type: "file", class: "hidden-input", tabIndex: -1, "aria-hidden": "true", multiple: true });
    file.addEventListener("change", () => {
      this.sendFiles(file.files ?? []);
      file.value = "";
    });
    const attach = h("button", { type: "button", class: "icon-button", "aria-label": "Send a picture or another file", title: "Send a picture or another file", on: { click: () => file.click() } }, icon("upload"));
    const form = h("form", { class: "composer", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    } } }, attach, file, this.#text, h("button", { type: "submit", class: "button" }, "Send"));
    this.#text.addEventListener("keydown", (event) => {
      // While a word is being composed (Chinese, Japanese, ...) Enter ends the word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("input", () => this.#grow());
    this.#text.addEventListener("paste", (event) => {
      const files = event.clipboardData?.files;
      if (!files?.length) return;
      event.preventDefault();
      this.sendFiles(files);
    });
    this.replaceChildren(form);
  }

  begin() {
    // Phones would cover half the room with their keyboard.
    if (!matchMedia("(pointer: coarse)").matches) this.#text.focus();
  }

  /** @param {Iterable<File>} files */
  async sendFiles(files) {
    for (const file of files) {
      try {
        this.room.sendFile(await fitting(file));
      } catch (error) {
        say(this, /** @type {Error} */ (error).message, "error");
      }
    }
  }

  #send() {
    const text = this.#text.value.trim();
    if (text === "") return;
    try {
      this.room.send(text);
      this.#text.value = "";
      this.#grow();
    } catch (error) {
      say(this, /** @type {Error} */ (error).message, "error");
    }
    this.#text.focus();
  }

  #grow() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }
}
