// Registers the elements and wires them: data flows down as properties, events flow up.

import * as api from "./api.js";
import { ChosenBar } from "./console/chosen-bar.js";
import { GmConsole } from "./console/console.js";
import { GridPanel } from "./console/grid-panel.js";
import { MapsPanel } from "./console/maps-panel.js";
import { PeoplePanel } from "./console/people-panel.js";
import { FolderChoice } from "./elements/folder-choice.js";
import { FolderShelves } from "./elements/folder-shelves.js";
import { MapLibrary } from "./elements/map-library.js";
import { ServerStatus } from "./elements/server-status.js";
import { StatusLine } from "./elements/status-line.js";
import { TabBar } from "./elements/tab-bar.js";
import { UploadDock } from "./elements/upload-dock.js";
import { later } from "./later.js";
import { sceneLibrary, soundLibrary } from "./parts.js";
import { TableStage } from "./stage/stage.js";
import { State } from "./state.js";
import { Uploads } from "./uploads.js";

customElements.define("folder-choice", FolderChoice);
customElements.define("folder-shelves", FolderShelves);
customElements.define("map-library", MapLibrary);
customElements.define("server-status", ServerStatus);
customElements.define("status-line", StatusLine);
customElements.define("upload-dock", UploadDock);
customElements.define("chosen-bar", ChosenBar);
customElements.define("grid-panel", GridPanel);
customElements.define("gm-console", GmConsole);
customElements.define("maps-panel", MapsPanel);
customElements.define("people-panel", PeoplePanel);
customElements.define("table-stage", TableStage);

const state = new State(api);
const uploads = new Uploads(api);
const status = new StatusLine();

/**
 * Gives an element its properties, then inserts it.
 *
 * @param {string} id of the place
 * @param {HTMLElement} element
 * @param {Record<string, unknown>} properties
 */
function mount(id, element, properties) {
  const place = document.getElementById(id);
  if (!place) throw new Error(`the page has no #${id}`);
  place.append(Object.assign(element, properties));
}

mount("docks", status, {});
mount("docks", new UploadDock(), { uploads });
mount("status", new ServerStatus(), { state });

/** @param {string} id */
const placeOf = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** Ways to the libraries, which come when their tabs are opened. */
const libraries = new Map([
  ["maps", later(placeOf("maps"), "The maps", async () => Object.assign(new MapLibrary(), { api, state, uploads }))],
  ["scenes", later(placeOf("scenes"), "The scenes", async () => Object.assign(await sceneLibrary(), { api, state }))],
  ["sounds", later(placeOf("sounds"), "The sounds", async () => {
    const { library, player } = await soundLibrary();
    placeOf("docks").append(player);
    return Object.assign(library, { api, state, uploads, player });
  })],
]);

document.addEventListener("say", (e) => status.hear(e));

// A file that is dropped beside the libraries must not replace the page.
for (const type of ["dragover", "drop"]) document.addEventListener(type, (e) => e.preventDefault());

state.addEventListener("change", () => {
  for (const badge of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-count]"))) {
    const part = /** @type {"maps" | "scenes" | "sounds"} */ (badge.dataset.count);
    // Who may not see a library is not told how much is in it here either.
    const hidden = state.refusal !== "" && part !== "sounds";
    badge.textContent = state.health && !hidden ? String(state.health[part].files) : "";
  }
});

const tabs = /** @type {TabBar} */ (document.querySelector("tab-bar"));
/** The panel that is shown; the table has the whole window. @param {string} panel */
const chosen = (panel) => {
  document.body.classList.toggle("at-table", panel === "table" && state.isGm);
};
tabs.addEventListener("choose", (e) => {
  const { detail } = /** @type {CustomEvent} */ (e);
  chosen(detail);
  libraries.get(detail)?.();
});
customElements.define("tab-bar", TabBar);

// The way in is the GM's to show.
const door = /** @type {HTMLElement} */ (document.getElementById("come-in"));
door.addEventListener("click", () => /** @type {GmConsole | null} */ (document.querySelector("gm-console"))?.comeIn());

// The table is the GM's. Players see sounds only, so that is where they start.
state.addEventListener("change", () => {
  if (!state.asked) return;
  const place = /** @type {HTMLElement} */ (document.getElementById("table"));
  const tab = /** @type {HTMLElement} */ (document.getElementById("tab-table"));
  tab.hidden = !state.isGm;
  door.hidden = !state.isGm;
  if (state.isGm && !place.hasChildNodes()) mount("table", new GmConsole(), { state, api, uploads });
  if (!state.isGm) {
    place.replaceChildren();
    if (!place.hidden) tabs.show("sounds");
  }
  chosen(place.hidden ? "" : "table");
});

state.watch(new AbortController().signal);
