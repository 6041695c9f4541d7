import { pick, prompt } from "../dialogs.js";
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
  /** Made here just now: a list may be older than that. @type {string | null} */ #made = null;
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
    if (this.#made !== null && !folders.includes(this.#made)) folders = [...folders, this.#made].sort();
    // Building the list anew would close it under the visitor's hand.
    if (folders.join("\n") === this.#folders.join("\n")) return;
    this.#folders = folders;
    if (this.#value !== "" && !folders.includes(this.#value)) this.#value = "";
    this.#show();
  }

  #show() {
    this.#select.replaceChildren(...optionsOf(this.#folders).map(([value, text]) => h("option", { value, selected: value === this.#value }, text)));
    this.#select.value = this.#value;
  }

  async #chosen() {
    if (this.#select.value !== NEW) {
      this.#value = this.#select.value;
      this.#tell();
      return;
    }
    this.#select.value = this.#value;
    const tidy = await askName(this.#value);
    if (!tidy) return;
    try {
      await this.make(tidy);
      this.#made = tidy;
      if (!this.#folders.includes(tidy)) this.#folders = [...this.#folders, tidy].sort();
      this.#value = tidy;
      this.#show();
      this.#tell();
      await this.made();
      say(this, `Folder “${tidy}” is ready; the next files go in there.`);
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
    } finally {
      this.#made = null;
    }
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {string[]} folders @returns {[string, string][]} */
const optionsOf = (folders) => [["", "Top folder"], ...folders.map((folder) => /** @type {[string, string]} */ ([folder, folder.replaceAll("/", " / ")])), [NEW, "New folder…"]];

/** @param {string} within what is written before it already */
async function askName(within) {
  const path = await prompt({ title: "New folder", text: "Use a slash for a folder inside another: dungeons/level1", yes: "Make folder",
    label: "Name", value: within === "" ? "" : `${within}/`, selected: 0 });
  return path?.normalize("NFC").split("/").map((segment) => segment.trim()).filter(Boolean).join("/") ?? null;
}

/**
 * Asks for a folder, or for the name of one that is then to be made.
 *
 * @param {{ title: string, text: string, yes: string, folders: string[], value: string }} question
 * @returns {Promise<string | null>} its path, empty for the top; `null` when the visitor thinks better of it
 */
export async function askFolder({ folders, value, ...question }) {
  const folder = await pick({ ...question, label: "Folder", options: optionsOf(folders), value });
  return folder === NEW ? (await askName(value)) || null : folder;
}
