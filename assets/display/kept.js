/** @typedef {{ id: string, name: string }} Table */

/** So many CSS pixels are an inch until somebody has measured. */
export const CSS_INCH = 96;

/** What a screen remembers: its table, and how large it is in truth. */
export class Kept extends EventTarget {
  #storage;

  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined} storage */
  constructor(storage) {
    super();
    this.#storage = storage;
  }

  /** The table that it belongs to. @returns {Table | null} */
  get table() {
    const table = this.#read("table");
    return typeof table?.id === "string" ? table : null;
  }

  set table(table) {
    this.#write("table", table);
  }

  /** CSS pixels in an inch of this screen, as somebody has measured. */
  get inch() {
    const inch = this.#read("inch");
    return Number.isFinite(inch) && inch > 0 ? inch : CSS_INCH;
  }

  set inch(inch) {
    this.#write("inch", inch);
  }

  /** Whether a cell is to be an inch. */
  get isTrueSize() {
    return this.#read("true-size") === true;
  }

  set isTrueSize(is) {
    this.#write("true-size", is);
  }

  /** @param {string} name */
  #read(name) {
    try {
      return JSON.parse(this.#storage?.getItem(`tablekeep.display/${name}`) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {unknown} value */
  #write(name, value) {
    try {
      if (value === null) this.#storage?.removeItem(`tablekeep.display/${name}`);
      else this.#storage?.setItem(`tablekeep.display/${name}`, JSON.stringify(value));
    } catch {
      // A private window: it is remembered as long as nobody reloads.
    }
    this.dispatchEvent(new Event("change"));
  }
}
