import { h, icon, Nodes } from "../dom.js";
import { byFolder } from "../format.js";

/** So many things of a folder are shown at first. */
const FIRST = 60;

/**
 * @typedef {object} Shelving how things are shown
 * @property {string} listClass
 * @property {(thing: any) => string} nameOf what is searched, besides the folder
 * @property {(thing: any) => HTMLElement} item a list's item
 * @property {(thing: any) => unknown} print the item is built anew when this changes
 * @property {string} drag what a thing is called while it is dragged
 * @property {(thing: any, folder: string) => unknown} move it was dragged onto a folder
 * @property {(folder: string, things: any[]) => Node | null} tools for a folder, not for the top
 */

/**
 * Things in folders: folders open and close, and take what is dragged onto them. Set `shelving` and,
 * where there is little room, `isNarrow` before inserting it.
 */
export class FolderShelves extends HTMLElement {
  /** @type {Shelving} */ shelving;
  isNarrow = false;
  #gone = new AbortController();
  #nodes = new Nodes();
  #list = h("div", { class: "shelves" });
  /** @type {Set<string>} */ #closed = new Set();
  /** Folders of which everything is shown. @type {Set<string>} */ #whole = new Set();
  /** What was shown last. @type {[any[], string[], string]} */ #given = [[], [], ""];

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.replaceChildren(this.#list);
    const folderAt = (/** @type {Event} */ event) => /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-folder]"));
    const mark = (/** @type {Element | null} */ shelf) => {
      for (const each of this.querySelectorAll(".takes-thing")) if (each !== shelf) each.classList.remove("takes-thing");
      shelf?.classList.add("takes-thing");
    };
    this.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes(this.shelving.drag)) return;
      event.preventDefault();
      mark(folderAt(event));
    }, { signal });
    this.addEventListener("dragleave", (event) => {
      if (!this.contains(/** @type {Node | null} */ (event.relatedTarget))) mark(null);
    }, { signal });
    addEventListener("dragend", () => mark(null), { signal });
    this.addEventListener("drop", (event) => {
      mark(null);
      const text = event.dataTransfer?.getData(this.shelving.drag);
      const folder = folderAt(event)?.dataset.folder;
      if (!text || folder === undefined) return;
      event.preventDefault();
      const thing = JSON.parse(text);
      if ((thing.folder ?? "") !== folder) this.shelving.move(thing, folder);
    }, { signal });
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /**
   * Nothing but a word.
   *
   * @param {string} title
   * @param {string} text
   */
  only(title, text) {
    this.#nodes.show(this.#list, [h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text))]);
  }

  /**
   * Shows these things; with something searched for, those that have it in their name or folder.
   *
   * @template T
   * @param {T[]} things
   * @param {string[]} folders
   * @param {string} [words]
   * @returns {T[]} what is shown, in this order
   */
  show(things, folders, words = "") {
    this.#given = [things, folders, words];
    const sought = words.trim().toLowerCase();
    const folderOf = (/** @type {any} */ thing) => thing.folder ?? "";
    const found = sought === "" ? things : things.filter((thing) => `${folderOf(thing)}/${this.shelving.nameOf(thing)}`.toLowerCase().includes(sought));
    if (sought !== "" && found.length === 0) {
      this.only("Nothing found", `Nothing has “${words.trim()}” in its name or folder.`);
      return [];
    }
    const groups = byFolder(found, folderOf, sought === "" ? ["", ...folders] : []);
    // A top folder without anything is a place to drag things to, when there are folders at all.
    const shown = groups.filter(([folder, group]) => (folder !== "" || group.length > 0 || folders.length > 0) && (sought !== "" || !this.#isWithinClosed(folder)));
    this.#nodes.show(this.#list, shown.map(([folder, group]) => {
      const isOpen = sought !== "" || !this.#closed.has(folder);
      const isWhole = this.#whole.has(folder);
      const below = groups.filter(([other]) => other.startsWith(`${folder}/`)).reduce((sum, [, more]) => sum + more.length, 0);
      return this.#nodes.get(`folder ${folder}`, [isOpen, isWhole, below, folders.length > 0, group.map((thing) => this.shelving.print(thing))],
        () => this.#shelf(folder, group, { isOpen, isWhole, below, isAlone: folders.length === 0 }));
    }));
    return shown.flatMap(([, group]) => group);
  }

  /** @param {string} folder */
  #isWithinClosed(folder) {
    return [...this.#closed].some((closed) => closed !== "" && folder.startsWith(`${closed}/`));
  }

  /** @param {string} folder @param {any[]} group @param {{ isOpen: boolean, isWhole: boolean, below: number, isAlone: boolean }} is */
  #shelf(folder, group, { isOpen, isWhole, below, isAlone }) {
    const path = folder.split("/");
    const words = folder === "" ? "Top folder" : this.isNarrow ? path[path.length - 1] : path.join(" / ");
    const some = isWhole ? group : group.slice(0, FIRST);
    const again = () => this.show(...this.#given);
    const toggle = h("button", { type: "button", class: "shelf-toggle", "aria-expanded": String(isOpen), title: path.join(" / "), on: { click: () => {
      if (isOpen) this.#closed.add(folder);
      else this.#closed.delete(folder);
      again();
    } } }, icon("next"), h("span", {}, words));
    const head = h("h3", {}, toggle, " ", h("span", { class: "count" }, String(group.length)), folder !== "" && this.shelving.tools(folder, group));
    const shelf = h("section", { class: "shelf", "data-folder": folder },
      // The only one needs no name where there is little room.
      !(isAlone && this.isNarrow) && head,
      isOpen && (group.length > 0 ? h("ul", { class: this.shelving.listClass }, ...some.map((thing) => this.shelving.item(thing)))
        : below === 0 && h("p", { class: "faint" }, folder === "" ? "Nothing outside the folders." : "Nothing in this folder yet.")),
      isOpen && some.length < group.length && h("button", { type: "button", class: "button quiet", on: { click: () => {
        this.#whole.add(folder);
        again();
      } } }, `Show the other ${group.length - some.length}`));
    shelf.style.setProperty("--depth", String(folder === "" ? 0 : path.length - 1));
    return shelf;
  }
}
