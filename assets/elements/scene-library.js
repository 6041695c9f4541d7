import { choose, confirm, prompt } from "../dialogs.js";
import { fill, h, iconButton, say } from "../dom.js";
import { count, isFilm } from "../format.js";
import { menuButton } from "../menu.js";
import { askFolder, FolderChoice } from "./folder-choice.js";
import { FolderShelves } from "./folder-shelves.js";
import { mapPicture } from "./map-picture.js";

/** @typedef {import("../api.js").Scene} Scene */

const SCENE_TYPE = "application/x-tablekeep-scene";
const SMALL = 256;
const LARGE = 512;

/**
 * The saved scenes, folder by folder. Set `api` and `state` before inserting it; beside the table also
 * `isNarrow`.
 */
export class SceneLibrary extends HTMLElement {
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../state.js").State} */ state;
  isNarrow = false;
  /** Where maps are, of the list that was asked last. @type {{ maps: unknown, places: Set<string> }} */ #known = { maps: null, places: new Set() };
  #gone = new AbortController();
  #folder = new FolderChoice();
  #shelves = new FolderShelves();
  #search = h("input", { type: "search", placeholder: "Name or folder", spellcheck: false, on: { input: () => this.#show() } });
  #tools = h("div", { class: "tools scene-tools", hidden: true });

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#folder.make = (path) => this.api.makeSceneFolder(path);
    this.#folder.made = () => this.state.reload("scenes");
    Object.assign(this.#shelves, { isNarrow: this.isNarrow, shelving: {
      listClass: this.isNarrow ? "scene-rows" : "scenes",
      nameOf,
      item: (/** @type {Scene} */ scene) => (this.isNarrow ? this.#small(scene) : this.#row(scene)),
      print: (/** @type {Scene} */ scene) => [scene.id, scene.name, scene.folder, scene.activeMapId, this.#mapsOf(scene).map((map) => [map, map && this.#isMissing(map)]), fightersOf(scene), this.#isLive(scene) && this.state.desk?.status, this.state.desk !== null],
      drag: SCENE_TYPE,
      move: (/** @type {Scene} */ scene, /** @type {string} */ folder) => this.#move(scene, folder),
      tools: (/** @type {string} */ folder, /** @type {Scene[]} */ scenes) => this.#folderTools(folder, scenes.length),
    } });
    const find = h("label", { class: "field" }, h("span", { class: "unseen" }, "Search scenes"), this.#search);
    fill(this.#tools, find, this.isNarrow && h("span", { class: "folder-line" }, h("span", { class: "soft" }, "New ones go"), this.#folder));
    fill(this, !this.isNarrow && h("h2", { class: "unseen" }, "Scenes"), this.#tools, this.#shelves);
    this.state.addEventListener("change", (e) => {
      if (/** @type {CustomEvent} */ (e).detail !== "health") this.#show();
    }, { signal });
    this.addEventListener("drop", (event) => {
      if (event.dataTransfer?.types.includes("Files")) say(this, "Scenes take no files: drop pictures on the maps, or sounds on the sounds.");
    }, { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** The folder that is chosen for new scenes, empty for the top. */
  get folder() {
    return this.#folder.value;
  }

  #show() {
    const { scenes, sceneFolders, errors, refusal } = this.state;
    this.#folder.folders = sceneFolders;
    this.#tools.hidden = refusal !== "" || (scenes ?? []).length + sceneFolders.length === 0;
    if (refusal !== "") return this.#shelves.only("Scenes are for the GM", "What the GM puts on the table is shown to you there.");
    if (errors.scenes !== undefined && scenes === null) return this.#shelves.only("The scenes cannot be listed", errors.scenes);
    if (scenes === null) return this.#shelves.only("Looking through the scenes", "");
    if (scenes.length === 0 && sceneFolders.length === 0) {
      return this.#shelves.only("No scenes yet", this.isNarrow ? "Put maps on the table, then press “Save as”: the scene is kept here, with everything on it."
        : "A scene is what the table shows: maps, markers and whose turn it is. Save one with “Save as” beside the table, or on SpellTable’s page, and it is listed here.");
    }
    this.#shelves.show(scenes, sceneFolders, this.#search.value);
  }

  /** @param {Scene} scene */
  #isLive(scene) {
    return this.state.desk?.id === scene.id;
  }

  // A scene is an open object that somebody else wrote: nothing in it can be relied on.
  /** @param {Scene} scene */
  #mapsOf(scene) {
    return Array.isArray(scene.maps) ? scene.maps : [];
  }

  /** @param {{ name: string, folder?: string | null }} map */
  #isMissing(map) {
    const { maps } = this.state;
    const place = (/** @type {{ name: string, folder?: string | null }} */ { name, folder }) => `${folder ?? ""}/${name}`;
    if (this.#known.maps !== maps) this.#known = { maps, places: new Set(maps?.map(place)) };
    return maps !== null && !this.#known.places.has(place(map));
  }

  /** @param {Scene} scene @param {number} width */
  #frame(scene, width) {
    const maps = this.#mapsOf(scene);
    const active = maps.find((map) => map?.name === scene.activeMapId);
    const frame = h("span", { class: "frame", "aria-hidden": this.isNarrow ? "true" : null });
    const says = (/** @type {string} */ words) => frame.replaceChildren(h("span", { class: "broken" }, words));
    // Of some maps there is no small picture: the list knows whether the file is there.
    const none = () => says(active && this.#isMissing(active) ? "Map is missing" : "No preview");
    if (!active) says("No active map");
    else {
      const isWhole = isFilm(active.name) || /\.svg$/i.test(active.name);
      frame.append(mapPicture({ name: active.name, url: isWhole ? this.api.mapUrl(active) : this.api.thumbUrl(active, width), alt: this.isNarrow ? "" : `Active map ${active.name}`, failed: none }));
    }
    return frame;
  }

  /** @param {Scene} scene */
  #row(scene) {
    const name = nameOf(scene);
    const fighters = fightersOf(scene);
    const live = this.#isLive(scene) ? this.#liveWords() : "";
    return h("li", { class: live ? "scene is-live" : "scene", draggable: true, on: { dragstart: (/** @type {DragEvent} */ event) => carry(event, scene) } },
      this.#frame(scene, LARGE),
      h("div", { class: "scene-words" },
        h("h4", {}, name),
        h("dl", {},
          h("div", {}, h("dt", {}, "Active map"), h("dd", {}, scene.activeMapId ? String(scene.activeMapId) : "none")),
          h("div", {}, h("dt", {}, "Maps"), h("dd", {}, String(this.#mapsOf(scene).length))),
          h("div", {}, h("dt", {}, "Initiative"), h("dd", {}, fighters === 0 ? "empty" : count(fighters, "entry", "entries")))),
        live && h("p", { class: "live-words" }, live),
        h("div", { class: "scene-buttons" },
          this.state.desk && h("button", { type: "button", class: "button quiet small", "aria-label": `Load ${name}`, on: { click: async () => {
            if (await this.load(scene)) location.hash = "#table";
          } } }, "Load"),
          menuButton(`More for ${name}`, () => this.#items(scene)))),
      iconButton("delete", `Delete ${name}`, () => this.#delete(scene)),
    );
  }

  /** @param {Scene} scene */
  #small(scene) {
    const name = nameOf(scene);
    const maps = this.#mapsOf(scene).length;
    const fighters = fightersOf(scene);
    const live = this.#isLive(scene) ? this.#liveWords() : "";
    const words = live || [count(maps, "map"), fighters > 0 && count(fighters, "entry", "entries")].filter(Boolean).join(", ");
    return h("li", { class: live ? "scene-row is-live" : "scene-row" },
      h("button", { type: "button", class: "scene-open", draggable: true, title: live ? `Load ${name} again` : `Load ${name}`, "aria-current": live ? "true" : null, on: {
        click: () => this.load(scene),
        dragstart: (/** @type {DragEvent} */ event) => carry(event, scene),
      } }, this.#frame(scene, SMALL), h("span", { class: "scene-name" }, h("strong", {}, h("span", { class: "unseen" }, "Load "), name, h("span", { class: "unseen" }, ", ")), h("small", {}, words))),
      menuButton(`More for ${name}`, () => this.#items(scene)));
  }

  #liveWords() {
    return { saved: "On the table", changed: "On the table, with unsaved changes", overtaken: "On the table, but saved elsewhere since", new: "", waiting: "" }[this.state.desk?.status ?? "waiting"];
  }

  /** @param {Scene} scene @returns {import("../menu.js").MenuItem[]} */
  #items(scene) {
    return [
      ...(this.state.desk ? [{ words: "Load onto the table", run: () => this.load(scene) }] : []),
      { words: "Duplicate", run: () => this.#duplicate(scene) },
      { words: "Rename…", run: () => this.#rename(scene) },
      { words: "Move to a folder…", run: () => this.#askMove(scene) },
      { words: "Delete…", run: () => this.#delete(scene), danger: true },
    ];
  }

  /** @param {string} folder @param {number} own */
  #folderTools(folder, own) {
    const name = folder.split("/").at(-1) ?? folder;
    return menuButton(`More for the folder ${folder}`, () => [
      { words: "Rename the folder…", run: () => this.#renameFolder(folder, name) },
      { words: "Delete the folder…", run: () => this.#deleteFolder(folder, own), danger: true },
    ]);
  }

  /**
   * Puts a scene on the table, in place of what is there; asks first when that is not saved.
   *
   * @param {Scene} scene
   * @returns {Promise<boolean>} whether it was done
   */
  async load(scene) {
    const { desk } = this.state;
    if (!desk || !(await this.mayGo(`Load “${nameOf(scene)}”?`))) return false;
    try {
      const { name } = await desk.load(scene);
      say(this, `“${name}” is on the table; Undo brings back what was there.`);
      return true;
    } catch (error) {
      say(this, wordsOf(error), "error");
      await this.state.reload("scenes");
      return false;
    }
  }

  /** Whether the scene on the table may be replaced: asked only when it is not saved. @param {string} title */
  async mayGo(title) {
    const { desk } = this.state;
    // It may have come a moment ago.
    if (desk?.status === "waiting") await desk.refresh();
    if (!desk?.hasUnsaved()) return true;
    const { status, tableId: of } = desk;
    const canSave = status === "changed" || status === "new";
    const what = status === "changed" ? "has changes that are not saved" : status === "new" ? "was never saved" : status === "waiting" ? "may not be saved: its file cannot be read now" : "is not saved as it is";
    const answer = await choose({ title, text: `“${desk.name}” on the table ${what}. Undo brings it back as long as this window is open.`,
      answers: [["go", canSave ? "Go on without saving" : "Go on", !canSave], ...(canSave ? [/** @type {[string, string]} */ (["save", "Save first"])] : [])] });
    if (answer === "go" && desk.tableId !== of) say(this, "The table shows another scene by now; nothing was done.", "error");
    if (answer !== "save") return answer === "go" && desk.tableId === of;
    if (status === "new") return this.saveAs(of);
    try {
      if (await desk.save({ of }) === "saved") return true;
      say(this, `“${desk.name}” was saved elsewhere in the meantime; nothing was done. Save it beside the table first.`, "error");
    } catch (error) {
      say(this, wordsOf(error), "error");
    }
    return false;
  }

  /**
   * Saves what is on the table as a new scene, by a name that is asked for.
   *
   * @param {string | null} of the `tableId` of the scene that is meant
   * @returns {Promise<boolean>} whether it was done
   */
  async saveAs(of) {
    const { desk } = this.state;
    if (!desk) return false;
    const { folder } = this;
    const name = await this.#askName(desk.status === "new" && ["Default Scene", "New scene"].includes(desk.name) ? "" : desk.name, folder);
    if (name === null) return false;
    try {
      await desk.saveAs(name, folder, of);
      say(this, `“${name}” is saved.`);
      return true;
    } catch (error) {
      say(this, wordsOf(error), "error");
      return false;
    }
  }

  /**
   * Asks for the name of a new scene, again when there is one of that name and both are not meant.
   *
   * @param {string} value
   * @param {string} folder
   * @returns {Promise<string | null>}
   */
  async #askName(value, folder) {
    const where = folder === "" ? "in the top folder" : `in ${folder}`;
    const name = await prompt({ title: "Save the scene as", text: `It is kept ${where}, and the table goes on as this scene.`, yes: "Save", label: "Name", value });
    if (!name) return null;
    if (!(this.state.scenes ?? []).some((scene) => nameOf(scene) === name && (scene.folder ?? "") === folder)) return name;
    const answer = await choose({ title: `“${name}” is there already`, text: `A scene of this name is kept ${where}. It stays as it is; this would be a second one beside it.`,
      answers: [["both", "Keep both"], ["other", "Another name"]] });
    return answer === "other" ? this.#askName(name, folder) : answer === "both" ? name : null;
  }

  /** @param {Scene} scene */
  async #duplicate(scene) {
    await this.#attempt(async () => {
      const { scene: whole } = await this.api.loadScene(scene.id);
      const names = new Set((this.state.scenes ?? []).map(nameOf));
      let name = `${nameOf(scene)} (copy)`;
      for (let i = 2; names.has(name); i++) name = `${nameOf(scene)} (copy ${i})`;
      await this.api.saveScene({ ...whole, id: "default", name });
      return `“${name}” is a copy of “${nameOf(scene)}”.`;
    });
  }

  /** @param {Scene} scene */
  async #rename(scene) {
    const old = nameOf(scene);
    const name = await prompt({ title: "Rename scene", text: "Everything in it stays as it is.", yes: "Rename", label: "New name", value: old });
    if (!name || name === old) return;
    await this.#attempt(async () => {
      await this.#change(scene, { name });
      if (this.#isLive(scene)) await this.state.desk?.rename(name);
      return `“${old}” is called “${name}” now.`;
    });
  }

  /** @param {Scene} scene */
  async #askMove(scene) {
    const folder = await askFolder({ title: `Move “${nameOf(scene)}”`, text: "Its pictures go with it.", yes: "Move", folders: this.state.sceneFolders, value: scene.folder ?? "" });
    if (folder !== null && folder !== (scene.folder ?? "")) await this.#move(scene, folder);
  }

  /** @param {Scene} scene @param {string} folder */
  async #move(scene, folder) {
    await this.#attempt(async () => {
      await this.#change(scene, { folder: folder || null });
      return `“${nameOf(scene)}” is in ${folder === "" ? "the top folder" : folder} now.`;
    });
  }

  /** Changes a scene's file, and nothing that somebody else has changed in it. @param {Scene} scene @param {{ name?: string, folder?: string | null }} values */
  async #change(scene, values) {
    const work = async () => {
      const { scene: whole, tag } = await this.api.loadScene(scene.id);
      await this.api.updateScene({ ...whole, ...values }, tag);
    };
    await (this.#isLive(scene) ? this.state.desk?.along(work) : work());
  }

  /** @param {Scene} scene */
  async #delete(scene) {
    const name = nameOf(scene);
    const live = this.#isLive(scene) ? " It is on the table now and stays there, unsaved." : "";
    const sure = await confirm({ title: `Delete “${name}”?`, text: `The scene and its own images are removed from the disk; its maps stay.${live}`, yes: "Delete scene", danger: true });
    if (!sure) return;
    await this.#attempt(async () => {
      await this.api.deleteScene(scene);
      this.state.forgetScene(scene.id);
      return `“${name}” is deleted.`;
    });
  }

  /** @param {string} folder @param {string} old */
  async #renameFolder(folder, old) {
    const name = await prompt({ title: "Rename folder", text: "The scenes in it stay in it.", yes: "Rename", label: "New name", value: old });
    if (!name || name === old) return;
    await this.#attempt(async () => {
      const work = () => this.api.renameSceneFolder(folder, name);
      await (this.state.desk?.along(work) ?? work());
      return `The folder is called ${name} now.`;
    });
  }

  /** @param {string} folder @param {number} own */
  async #deleteFolder(folder, own) {
    const scenes = (this.state.scenes ?? []).filter((scene) => scene.folder === folder || (scene.folder ?? "").startsWith(`${folder}/`));
    const text = scenes.length === 0 ? "There is no scene in it." : `${count(scenes.length, "scene")} in it ${scenes.length === 1 ? "goes" : "go"} with it${scenes.length > own ? ", those in its own folders too" : ""}. On the server's disk it is kept in .tablekeep/trash.`;
    const sure = await confirm({ title: `Delete the folder ${folder}?`, text, yes: "Delete folder", danger: true });
    if (!sure) return;
    await this.#attempt(async () => {
      await this.api.deleteSceneFolder(folder);
      for (const { id } of scenes) this.state.forgetScene(id);
      return `The folder ${folder} is deleted.`;
    });
  }

  /** @param {() => Promise<string>} change says what it did, which is told when it is seen, too */
  async #attempt(change) {
    try {
      const words = await change();
      await this.state.reload("scenes");
      say(this, words);
    } catch (error) {
      say(this, wordsOf(error), "error");
      await this.state.reload("scenes");
    }
  }
}

/** @param {Scene} scene */
const nameOf = (scene) => String(scene.name ?? "").trim() || "Scene without a name";

/** @param {Scene} scene */
const fightersOf = (scene) => (Array.isArray(scene.initiativeOrder) ? scene.initiativeOrder.length : 0);

/** @param {DragEvent} event @param {Scene} scene */
const carry = ({ dataTransfer }, { id, name, folder }) => dataTransfer?.setData(SCENE_TYPE, JSON.stringify({ id, name, folder }));

/** @param {unknown} error */
const wordsOf = (error) => (error instanceof Error ? error.message : String(error));
