import { confirm, prompt } from "../dialogs.js";
import { fill, h, iconButton, say } from "../dom.js";
import { count, isFilm } from "../format.js";
import { need } from "../later.js";
import { menuButton } from "../menu.js";
import { dropZone } from "./drop-zone.js";
import { askFolder, FolderChoice } from "./folder-choice.js";
import { FolderShelves } from "./folder-shelves.js";
import { mapPicture } from "./map-picture.js";

/**
 * @typedef {import("../api.js").MapItem} MapItem
 * @typedef {{ scenes_updated: number | string }} Followed
 */

/** What a dragged map is called on its way. */
export const MAP_TYPE = "application/x-tablekeep-map";
const ACCEPT = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/svg+xml,image/avif,video/mp4,video/webm";
/** What is taken out of a folder; by their names, as not every system knows all of the types. */
const MAP_NAME = /^[^.].*\.(png|jpe?g|webp|gif|bmp|svg|avif|mp4|webm)$/i;
/** Pixels across a small picture, where there is little room and where there is more. */
const SMALL = 256;
const LARGE = 1024;

/**
 * The maps, folder by folder. Set `api`, `state` and `uploads` before inserting it; beside the table
 * also `put`, which puts a map there.
 */
export class MapLibrary extends HTMLElement {
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../state.js").State} */ state;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  /** @type {((map: MapItem) => void) | null} */ put = null;
  #gone = new AbortController();
  #folder = new FolderChoice();
  #shelves = new FolderShelves();
  #search = h("input", { type: "search", placeholder: "Name or folder", spellcheck: false, on: { input: () => this.#show() } });
  #find = h("label", { class: "field" }, h("span", { class: "unseen" }, "Search maps"), this.#search);
  #tools = h("div", { class: "tools", hidden: true });
  /** How often a map was replaced from here: the address must differ for the picture to be fetched again. */
  #replaced = /** @type {Map<string, number>} */ (new Map());
  /** @type {number | null} */ #maxBytes = null;
  /** As shown, for the viewer's neighbours. @type {MapItem[]} */ #order = [];

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#folder.make = (path) => this.api.makeMapFolder(path);
    this.#folder.made = () => this.state.reload("maps");
    const zone = dropZone({
      area: this,
      accept: ACCEPT,
      label: this.put ? "or drop files or folders here" : "or drop pictures, films and whole folders anywhere here",
      signal,
      open: () => this.state.isGm,
      take: (files, how) => this.#take(files, how),
      folders: (file) => MAP_NAME.test(file.name),
    });
    Object.assign(this.#shelves, { isNarrow: this.put !== null, shelving: {
      listClass: this.put ? "map-shelf" : "cards",
      nameOf: (/** @type {MapItem} */ map) => map.name,
      item: (/** @type {MapItem} */ map) => (this.put ? this.#small(map, this.put) : this.#card(map)),
      print: (/** @type {MapItem} */ map) => [map, this.#replaced.get(keyOf(map))],
      drag: MAP_TYPE,
      move: (/** @type {MapItem} */ map, /** @type {string} */ folder) => this.#move(map, folder),
      tools: (/** @type {string} */ folder) => iconButton("delete", `Delete the folder ${folder}`, () => this.#deleteFolder(folder)),
    } });
    fill(this.#tools, zone, this.#folder, !this.put && this.#find);
    if (this.put) fill(this, this.#find, this.#shelves, this.#tools);
    else fill(this, h("h2", { class: "unseen" }, "Maps"), this.#tools, this.#shelves);
    this.state.addEventListener("change", (e) => {
      if (/** @type {CustomEvent} */ (e).detail !== "health") this.#show();
    }, { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** @param {File[]} files @param {import("./drop-zone.js").Taking} how */
  async #take(files, { folderOf, at }) {
    // What is dropped on a folder goes in there.
    const into = /** @type {HTMLElement | null} */ (at?.closest("[data-folder]") ?? null)?.dataset.folder ?? this.#folder.value;
    this.#maxBytes ??= await this.api.limits().then((limits) => limits.image_bytes, () => null);
    for (const file of files) {
      const folder = [into, folderOf(file)].filter(Boolean).join("/");
      const key = keyOf({ name: file.name, folder });
      this.uploads.add([file], {
        path: "/maps/upload",
        fields: folder === "" ? {} : { folder },
        where: folder === "" ? "to the maps" : `to ${folder}`,
        maxBytes: this.#maxBytes,
        done: () => {
          if (this.state.maps?.some((map) => keyOf(map) === key)) this.#replaced.set(key, (this.#replaced.get(key) ?? 0) + 1);
          this.state.reload("maps");
        },
      });
    }
  }

  #show() {
    const { maps, mapFolders, errors, refusal, isGm } = this.state;
    this.#tools.hidden = !isGm;
    this.#find.hidden = (maps ?? []).length === 0;
    this.#folder.folders = mapFolders;
    if (refusal !== "") return this.#shelves.only("Maps are for the GM", "What the GM puts on the table is shown to you there.");
    if (errors.maps !== undefined && maps === null) return this.#shelves.only("The maps cannot be listed", errors.maps);
    if (maps === null) return this.#shelves.only("Looking through the maps", "");
    if (maps.length === 0 && mapFolders.length === 0) {
      return this.#shelves.only("No maps yet", "Drop pictures or whole folders here, choose them with the button, or put them into the folder maps/ on the server's disk. PNG, JPEG, WebP, GIF, BMP, SVG, AVIF, and MP4 or WebM for maps that move.");
    }
    this.#order = this.#shelves.show(maps, mapFolders, this.#search.value);
  }

  /** @param {MapItem} map */
  #url = (map) => this.api.mapUrl(map) + this.#again(map, "?");

  /** @param {MapItem} map @param {string} sign */
  #again(map, sign) {
    const replaced = this.#replaced.get(keyOf(map));
    return replaced ? `${sign}again=${replaced}` : "";
  }

  /** @param {MapItem} map @param {number} width */
  #frame(map, width) {
    const frame = h("span", { class: "frame" });
    // There are no small pictures of films and drawings.
    const isWhole = isFilm(map.name) || /\.svg$/i.test(map.name);
    frame.append(mapPicture({ name: map.name, url: isWhole ? this.#url(map) : this.api.thumbUrl(map, width) + this.#again(map, "&"), alt: "",
      failed: () => frame.replaceChildren(h("span", { class: "broken" }, "No preview")) }));
    for (const picture of frame.querySelectorAll("img")) picture.draggable = false;
    return frame;
  }

  /** @param {MapItem} map */
  #card(map) {
    return h("li", { class: "card", draggable: true, on: { dragstart: (/** @type {DragEvent} */ event) => carry(event, map) } },
      h("button", { type: "button", class: "card-open", on: { click: () => this.#open(map) } },
        this.#frame(map, LARGE), h("span", { class: "card-name" }, map.name)),
      h("span", { class: "card-tools" },
        iconButton("folder", `Move ${map.name} to another folder`, () => this.#askMove(map)),
        iconButton("rename", `Rename ${map.name}`, () => this.#rename(map)),
        iconButton("delete", `Delete ${map.name}`, () => this.#delete(map))),
    );
  }

  /** @param {MapItem} map @param {(map: MapItem) => void} put */
  #small(map, put) {
    return h("li", { class: "shelf-item" },
      h("button", { type: "button", class: "shelf-card", draggable: true, title: `${map.folder ? `${map.folder}/` : ""}${map.name}`, "aria-label": `Put ${map.name} on the table`, on: {
        click: () => put(map),
        dragstart: (/** @type {DragEvent} */ event) => carry(event, map),
      } }, this.#frame(map, SMALL), h("span", {}, map.name)),
      menuButton(`More for ${map.name}`, () => [
        { words: "Put on the table", run: () => put(map) },
        { words: "Look at it", run: () => this.#open(map) },
        { words: "Rename…", run: () => this.#rename(map) },
        { words: "Move to a folder…", run: () => this.#askMove(map) },
        { words: "Delete…", run: () => this.#delete(map), danger: true },
      ]));
  }

  /** @param {MapItem} map */
  async #open(map) {
    const viewer = await need(this, "The large picture", () => import("./map-viewer.js"));
    const at = this.#order.findIndex((each) => keyOf(each) === keyOf(map));
    viewer?.viewMap(this.#order, Math.max(0, at), this.#url);
  }

  /** @param {MapItem} map */
  async #rename(map) {
    const stem = map.name.lastIndexOf(".");
    let followed = /** @type {Followed | null} */ (null);
    const name = await prompt({ title: "Rename map", text: "Scenes that show it follow.", yes: "Rename", label: "New name",
      value: map.name, selected: stem > 0 ? stem : map.name.length, attempt: async (name) => {
        if (name !== map.name) followed = await this.#along(() => this.api.renameMap(map, name));
      } });
    if (followed) await this.#attempt(async () => wordsOf(`Renamed to ${name}`, followed));
  }

  /** @param {MapItem} map */
  async #askMove(map) {
    const folder = await askFolder({ title: `Move ${map.name}`, text: "Scenes that show it follow.", yes: "Move", folders: this.state.mapFolders, value: map.folder ?? "" });
    if (folder !== null && folder !== (map.folder ?? "")) await this.#move(map, folder);
  }

  /** @param {MapItem} map @param {string} folder */
  async #move(map, folder) {
    await this.#follow(() => this.api.moveMap(map, folder), `${map.name} is in ${folder === "" ? "the top folder" : folder} now`);
  }

  /** @param {MapItem} map */
  async #delete(map) {
    const uses = await this.api.mapUses(map).catch(() => null);
    const sure = await confirm({ title: `Delete ${map.name}?`, text: `The file is removed from the disk. ${usedBy(uses?.map(({ name }) => name), this.state.desk?.shows(map) ?? false)}`, yes: "Delete map", danger: true });
    if (!sure) return;
    await this.#attempt(async () => {
      await this.api.deleteMap(map);
      return `${map.name} is deleted.`;
    });
  }

  /** @param {string} folder */
  async #deleteFolder(folder) {
    const isWithin = (/** @type {string | null | undefined} */ path) => path === folder || (path ?? "").startsWith(`${folder}/`);
    const maps = (this.state.maps ?? []).filter((map) => isWithin(map.folder));
    // The list of scenes may be older than what was saved last.
    if (maps.length > 0) await this.state.reload("scenes");
    const scenes = this.state.scenes?.filter((scene) => Array.isArray(scene.maps) && scene.maps.some((map) => isWithin(map?.folder)));
    const what = maps.length === 0 ? "There is no map in it." : `${count(maps.length, "map")} in it ${maps.length === 1 ? "goes" : "go"} with it. ${usedBy(scenes?.map(({ name }) => name), maps.some((map) => this.state.desk?.shows(map)))}`;
    const sure = await confirm({ title: `Delete the folder ${folder}?`, text: `${what} On the server's disk it is kept in .tablekeep/trash.`, yes: "Delete folder", danger: true });
    if (!sure) return;
    await this.#attempt(async () => {
      await this.api.deleteMapFolder(folder);
      return `The folder ${folder} is deleted.`;
    });
  }

  /** Does what saved scenes and the table follow. @param {() => Promise<Followed>} work @param {string} done */
  #follow(work, done) {
    return this.#attempt(async () => wordsOf(done, await this.#along(work)));
  }

  /** @param {() => Promise<Followed>} work */
  #along(work) {
    return this.state.desk?.along(work) ?? work();
  }

  /** @param {() => Promise<string>} change says what it did, which is told when it is seen, too */
  async #attempt(change) {
    try {
      const words = await change();
      await this.state.reload("maps");
      say(this, words);
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
      await this.state.reload("maps");
    }
  }
}

/** @param {{ name: string, folder?: string | null }} map */
const keyOf = ({ name, folder }) => `${folder ?? ""}/${name}`;

/** @param {string} done @param {Followed | null} followed */
function wordsOf(done, followed) {
  const scenes = Number(followed?.scenes_updated);
  return `${done}${scenes > 0 ? `; ${count(scenes, "scene")} changed with it` : ""}.`;
}

/** @param {DragEvent} event @param {MapItem} map */
const carry = ({ dataTransfer }, map) => dataTransfer?.setData(MAP_TYPE, JSON.stringify(map));

/** So many names are said. */
const NAMED = 6;

/**
 * Which scenes would miss a map.
 *
 * @param {string[] | undefined} scenes their names; not known when left out
 * @param {boolean} isOnTable
 */
function usedBy(scenes, isOnTable) {
  const table = isOnTable ? " It lies on the table now." : "";
  if (scenes === undefined) return `Which scenes use it could not be found out.${table}`;
  if (scenes.length === 0) return isOnTable ? `No saved scene uses it.${table}` : "No saved scene uses it.";
  const more = scenes.length - NAMED;
  return `It is used in ${scenes.slice(0, NAMED).map((name) => `“${name}”`).join(", ")}${more > 0 ? ` and ${more} more` : ""}.${table}`;
}
