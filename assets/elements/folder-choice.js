import { prompt } from "../dialogs.js";
import { h, say } from "../dom.js";

const NEW = "\n";

/** Lets the visitor choose a folder, or make one. Set `make` before inserting it. Event: `change`. */
export class FolderChoice extends HTMLElement {
  /** What stands before it. */ label = "into";
  /** Makes the folder on the server. @type {(path: string) => Promise<unknown>} */ make;
  /** Called after a folder was made. @type {() => Promise<unknown>} */ made;
  #select = h("select", { on: { change: (/** @type {Event} */ event) => {
    event.stopPropagation();
    this.#chosen();
  } } });
  /** @type {string[]} */ #folders = [];
  #value = "";

  connectedCallback() {
    this.replaceChildren(h("label", { class: "field inline" }, h("span", {}, this.label), this.#select));
    this.#show();
  }

  /** The folder's path, empty for the top. */
  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = value;
    this.#show();
  }

  /** @param {string[]} folders */
  set folders(folders) {
    // Building the list anew would close it under the visitor's hand.
    if (folders.join("\n") === this.#folders.join("\n")) return;
    this.#folders = folders;
    if (this.#value !== "" && !folders.includes(this.#value)) this.#value = "";
    this.#show();
  }

  #show() {
    const options = [["", "Top folder"], ...this.#folders.map((folder) => [folder, folder.replaceAll("/", " / ")]), [NEW, "New folder…"]];
    this.#select.replaceChildren(...options.map(([value, text]) => h("option", { value, selected: value === this.#value }, text)));
    this.#select.value = this.#value;
  }

  async #chosen() {
    if (this.#select.value !== NEW) {
      this.#value = this.#select.value;
      this.#tell();
      return;
    }
    this.#select.value = this.#value;
    const path = await prompt({ title: "New folder", text: "Use a slash for a folder inside another: dungeons/level1", yes: "Make folder",
      label: "Name", value: this.#value === "" ? "" : `${this.#value}/`, selected: 0 });
    const tidy = path?.split("/").map((segment) => segment.trim()).filter(Boolean).join("/");
    if (!tidy) return;
    try {
      await this.make(tidy);
      if (!this.#folders.includes(tidy)) this.#folders = [...this.#folders, tidy].sort();
      this.#value = tidy;
      this.#show();
      this.#tell();
      await this.made();
      say(this, `Folder “${tidy}” is ready; the next files go in there.`);
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
    }
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
