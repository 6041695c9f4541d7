import { confirm, prompt } from "../dialogs.js";
import { h, iconButton, Nodes, say } from "../dom.js";
import { byFolder, count } from "../format.js";
import { dropZone } from "./drop-zone.js";
import { FolderChoice } from "./folder-choice.js";
import { mapPicture } from "./map-picture.js";
import { viewMap } from "./map-viewer.js";

/** @typedef {import("../api.js").MapItem} MapItem */

/** The maps, folder by folder. Set `api`, `state` and `uploads` before inserting it. */
export class MapLibrary extends HTMLElement {
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../state.js").State} */ state;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  #gone = new AbortController();
  #nodes = new Nodes();
  #folder = new FolderChoice();
  #shelves = h("div", { class: "shelves" });
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
      accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/svg+xml,image/avif,video/mp4,video/webm",
      label: "or drop pictures and films anywhere here",
      signal,
      open: () => this.state.isGm,
      take: (files) => this.#take(files),
    });
    this.#tools.replaceChildren(zone, this.#folder);
    this.replaceChildren(this.#tools, this.#shelves);
    this.state.addEventListener("change", (e) => {
      if (/** @type {CustomEvent} */ (e).detail !== "health") this.#show();
    }, { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** @param {File[]} files */
  async #take(files) {
    const folder = this.#folder.value;
    this.#maxBytes ??= await this.api.limits().then((limits) => limits.image_bytes, () => null);
    for (const file of files) {
      const key = `${folder}/${file.name}`;
      this.uploads.add([file], {
        path: "/maps/upload",
        fields: folder === "" ? {} : { folder },
        where: folder === "" ? "to the maps" : `to ${folder}`,
        maxBytes: this.#maxBytes,
        done: () => {
          if (this.state.maps?.some((map) => `${map.folder ?? ""}/${map.name}` === key)) {
            this.#replaced.set(key, (this.#replaced.get(key) ?? 0) + 1);
          }
          this.state.reload("maps");
        },
      });
    }
  }

  #show() {
    const { maps, mapFolders, errors, refusal, isGm } = this.state;
    this.#tools.hidden = !isGm;
    this.#folder.folders = mapFolders;
    if (refusal !== "") return this.#only("Maps are for the GM", "What the GM puts on the table is shown to you there.");
    if (errors.maps !== undefined && maps === null) return this.#only("The maps cannot be listed", errors.maps);
    if (maps === null) return this.#only("Looking through the maps", "");
    if (maps.length === 0 && mapFolders.length === 0) {
      return this.#only("No maps yet", "Drop pictures here, choose files above, or put them into the folder maps/ on the server's disk. PNG, JPEG, WebP, GIF, BMP, SVG, AVIF, and MP4 or WebM for maps that move.");
    }
    const groups = byFolder(maps, (map) => map.folder, mapFolders);
    this.#order = groups.flatMap(([, group]) => group);
    this.#nodes.show(this.#shelves, groups.map(([folder, group]) => this.#nodes.get(`folder ${folder}`, [group, this.#stamps(group)], () =>
      h("section", { class: "shelf" },
        h("h3", {}, folder === "" ? "Top folder" : folder.replaceAll("/", " / "), " ", h("span", { class: "count" }, String(group.length))),
        group.length === 0 ? h("p", { class: "faint" }, "Nothing in this folder yet.")
          : h("ul", { class: "cards" }, ...group.map((map) => this.#card(map)))))));
  }

  /** @param {MapItem[]} group */
  #stamps(group) {
    return group.map((map) => this.#replaced.get(`${map.folder ?? ""}/${map.name}`) ?? 0);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #only(title, text) {
    this.#nodes.show(this.#shelves, [h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text))]);
  }

  /** @param {MapItem} map */
  #url = (map) => {
    const replaced = this.#replaced.get(`${map.folder ?? ""}/${map.name}`);
    return this.api.mapUrl(map) + (replaced ? `?again=${replaced}` : "");
  };

  /** @param {MapItem} map */
  #card(map) {
    const frame = h("span", { class: "frame" });
    frame.append(mapPicture({ name: map.name, url: this.#url(map), alt: "",
      failed: () => frame.replaceChildren(h("span", { class: "broken" }, "No preview")) }));
    return h("li", { class: "card" },
      h("button", { type: "button", class: "card-open", on: { click: () => this.#open(map) } },
        frame, h("span", { class: "card-name" }, map.name)),
      h("span", { class: "card-tools" },
        iconButton("rename", `Rename ${map.name}`, () => this.#rename(map)),
        iconButton("delete", `Delete ${map.name}`, () => this.#delete(map))),
    );
  }

  /** @param {MapItem} map */
  #open(map) {
    const at = this.#order.findIndex((each) => each.name === map.name && each.folder === map.folder);
    viewMap(this.#order, Math.max(0, at), this.#url);
  }

  /** @param {MapItem} map */
  async #rename(map) {
    const stem = map.name.lastIndexOf(".");
    const name = await prompt({ title: "Rename map", text: "Scenes that show it follow.", yes: "Rename", label: "New name",
      value: map.name, selected: stem > 0 ? stem : map.name.length });
    if (name === null || name === map.name) return;
    await this.#attempt(async () => {
      const { scenes_updated: scenes } = await this.api.renameMap(map, name);
      return `Renamed to ${name}${Number(scenes) > 0 ? `; ${count(Number(scenes), "scene")} changed with it` : ""}.`;
    });
  }

  /** @param {MapItem} map */
  async #delete(map) {
    const uses = await this.api.mapUses(map).catch(() => []);
    const used = uses.length === 0 ? "" : ` It is used in ${uses.map((scene) => `“${scene.name}”`).join(", ")}.`;
    const sure = await confirm({ title: `Delete ${map.name}?`, text: `The file is removed from the disk.${used}`, yes: "Delete map", danger: true });
    if (!sure) return;
    await this.#attempt(async () => {
      await this.api.deleteMap(map);
      return `${map.name} is deleted.`;
    });
  }

  /** @param {() => Promise<string>} change says what it did */
  async #attempt(change) {
    try {
      say(this, await change());
    } catch (error) {
      say(this, error instanceof Error ? error.message : String(error), "error");
    }
    await this.state.reload("maps");
  }
}
