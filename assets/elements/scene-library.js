import { confirm } from "../dialogs.js";
import { h, iconButton, Nodes, say } from "../dom.js";
import { byFolder, count } from "../format.js";
import { mapPicture } from "./map-picture.js";

/** @typedef {import("../api.js").Scene} Scene */

/** The saved scenes, folder by folder. Set `api` and `state` before inserting it. */
export class SceneLibrary extends HTMLElement {
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../state.js").State} */ state;
  #gone = new AbortController();
  #nodes = new Nodes();
  #shelves = h("div", { class: "shelves" });

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.replaceChildren(this.#shelves);
    this.state.addEventListener("change", (e) => {
      if (/** @type {CustomEvent} */ (e).detail !== "health") this.#show();
    }, { signal });
    this.addEventListener("drop", () => say(this, "Scenes take no files: drop pictures on the maps, or sounds on the sounds."), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  #show() {
    const { scenes, sceneFolders, errors, refusal } = this.state;
    if (refusal !== "") return this.#only("Scenes are for the GM", "What the GM puts on the table is shown to you there.");
    if (errors.scenes !== undefined && scenes === null) return this.#only("The scenes cannot be listed", errors.scenes);
    if (scenes === null) return this.#only("Looking through the scenes", "");
    if (scenes.length === 0) {
      return this.#only("No scenes yet", "A scene is what the table shows: maps, markers and whose turn it is. Save one from your table’s page with “Save As”, and it is listed here.");
    }
    const groups = byFolder(scenes, (scene) => scene.folder, sceneFolders);
    this.#nodes.show(this.#shelves, groups.map(([folder, group]) => this.#nodes.get(`folder ${folder}`, group, () =>
      h("section", { class: "shelf" },
        h("h3", {}, folder === "" ? "Top folder" : folder.replaceAll("/", " / "), " ", h("span", { class: "count" }, String(group.length))),
        group.length === 0 ? h("p", { class: "faint" }, "Nothing in this folder yet.")
          : h("ul", { class: "scenes" }, ...group.map((scene) => this.#row(scene)))))));
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #only(title, text) {
    this.#nodes.show(this.#shelves, [h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text))]);
  }

  /** @param {Scene} scene */
  #row(scene) {
    // A scene is an open object that somebody else wrote: nothing in it can be relied on.
    const maps = Array.isArray(scene.maps) ? scene.maps : [];
    const fighters = Array.isArray(scene.initiativeOrder) ? scene.initiativeOrder.length : 0;
    const active = maps.find((map) => map?.name === scene.activeMapId);
    const frame = h("span", { class: "frame" });
    const none = () => frame.replaceChildren(h("span", { class: "broken" }, active ? "Map is missing" : "No active map"));
    if (active) frame.append(mapPicture({ name: active.name, url: this.api.mapUrl(active), alt: `Active map ${active.name}`, failed: none }));
    else none();
    const name = String(scene.name ?? "").trim() || "Scene without a name";
    return h("li", { class: "scene" },
      frame,
      h("div", { class: "scene-words" },
        h("h4", {}, name),
        h("dl", {},
          h("div", {}, h("dt", {}, "Active map"), h("dd", {}, scene.activeMapId ? String(scene.activeMapId) : "none")),
          h("div", {}, h("dt", {}, "Maps"), h("dd", {}, String(maps.length))),
          h("div", {}, h("dt", {}, "Initiative"), h("dd", {}, fighters === 0 ? "empty" : count(fighters, "entry", "entries"))))),
      iconButton("delete", `Delete ${name}`, () => this.#delete(scene, name)),
    );
  }

  /**
   * @param {Scene} scene
   * @param {string} name
   */
  async #delete(scene, name) {
    const sure = await confirm({ title: `Delete “${name}”?`, text: "The scene and its own images are removed from the disk; its maps stay.", yes: "Delete scene", danger: true });
    if (!sure) return;
    try {
      await this.api.deleteScene(scene);
      say(this, `“${name}” is deleted.`);
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
    }
    await this.state.reload("scenes");
  }
}
