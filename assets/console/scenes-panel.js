import { choose } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { SceneLibrary } from "../elements/scene-library.js";

/** @type {Record<import("./desk.js").DeskStatus, string>} */
const WORDS = {
  waiting: "",
  new: "Not saved yet",
  saved: "Saved",
  changed: "Unsaved changes",
  overtaken: "Saved elsewhere since; this table is different",
};

/** The scene on the table, and the saved ones. Set `table`, `desk`, `state` and `api` before inserting it. */
export class ScenesPanel extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  /** @type {import("./desk.js").SceneDesk} */ desk;
  /** @type {import("../state.js").State} */ state;
  /** @type {typeof import("../api.js")} */ api;
  #gone = new AbortController();
  #library = Object.assign(new SceneLibrary(), { isNarrow: true });
  #name = h("strong", { class: "desk-name" });
  #status = h("span", { class: "desk-status", role: "status" });
  #save = h("button", { type: "button", class: "button small", title: "Save (Ctrl+S)", on: { click: () => this.#saveIt() } }, "Save");
  #saveAs = h("button", { type: "button", class: "button quiet small", on: { click: () => this.#library.saveAs(this.desk.tableId) } }, "Save as…");
  #new = h("button", { type: "button", class: "button quiet small", on: { click: () => this.#clear() } }, "New scene");

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    Object.assign(this.#library, { api: this.api, state: this.state });
    this.desk.addEventListener("change", () => this.#show(), { signal });
    fill(this,
      h("section", { "aria-labelledby": "desk-title" }, h("h3", { id: "desk-title" }, "On the table"),
        h("div", { class: "desk-card" }, this.#name, this.#status, h("div", { class: "desk-buttons" }, this.#save, this.#saveAs, this.#new))),
      h("section", { "aria-labelledby": "saved-title" }, h("h3", { id: "saved-title" }, "Saved scenes"), this.#library));
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  #show() {
    const { status, isBusy, trouble, tableId } = this.desk;
    const name = status === "waiting" && trouble === "" ? "" : this.desk.name;
    if (this.#name.textContent !== name) this.#name.textContent = name;
    this.#status.dataset.is = status;
    const words = isBusy ? "Saving" : status === "waiting" && trouble !== "" ? `Its file cannot be read: ${trouble}` : WORDS[status];
    if (this.#status.textContent !== words) this.#status.textContent = words;
    this.#save.disabled = status === "waiting" || isBusy;
    // These need no file.
    for (const button of [this.#saveAs, this.#new]) button.disabled = tableId === null || isBusy;
  }

  /** Saves what is on the table. */
  save() {
    if (this.desk.status === "waiting") this.table.say("The table is not here yet.");
    else if (!this.#save.disabled) this.#saveIt();
  }

  async #saveIt() {
    const desk = this.desk;
    // Whatever comes onto the table until a question is answered, it was asked of this one.
    const { tableId: of, name } = desk;
    await this.#attempt(async () => {
      if (desk.status === "new") return this.#library.saveAs(of);
      let came = await desk.save({ of });
      while (came === "overtaken") {
        const answer = await choose({ title: `“${name}” was saved elsewhere`, text: "Somebody else has saved another version of this scene since it came onto this table. Replacing it loses theirs; “Save as” keeps both.",
          answers: [["over", "Replace theirs", true], ["as", "Save as…"]] });
        if (answer === "as") return this.#library.saveAs(of);
        if (answer !== "over") return;
        came = await desk.save({ over: true, of });
      }
      if (came === "new") return this.#library.saveAs(of);
      this.table.say(`“${name}” is saved.`);
    });
  }

  async #clear() {
    if (!(await this.#library.mayGo("Start a new scene?"))) return;
    await this.#attempt(async () => {
      await this.desk.clear();
      this.table.say("The table is empty; Undo brings back what was there.");
    });
  }

  /** @param {() => Promise<unknown>} work */
  async #attempt(work) {
    try {
      await work();
    } catch (error) {
      this.table.trouble(error);
    }
  }
}
