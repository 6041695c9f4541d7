// Registers the elements and wires them: data flows down as properties, events flow up.

import * as api from "./api.js";
import { ChosenBar } from "./console/chosen-bar.js";
import { GmConsole } from "./console/console.js";
import { GridPanel } from "./console/grid-panel.js";
import { MapsPanel } from "./console/maps-panel.js";
import { PeoplePanel } from "./console/people-panel.js";
import { ScenesPanel } from "./console/scenes-panel.js";
import { SoundShelf } from "./console/sound-shelf.js";
import { SoundsPanel } from "./console/sounds-panel.js";
import { TurnsPanel } from "./console/turns-panel.js";
import { DiceTray } from "./elements/dice-tray.js";
import { FolderChoice } from "./elements/folder-choice.js";
import { FolderShelves } from "./elements/folder-shelves.js";
import { MapLibrary } from "./elements/map-library.js";
import { SceneLibrary } from "./elements/scene-library.js";
import { ServerStatus } from "./elements/server-status.js";
import { SoundLibrary } from "./elements/sound-library.js";
import { SoundPlayer } from "./elements/sound-player.js";
import { StatusLine } from "./elements/status-line.js";
import { TabBar } from "./elements/tab-bar.js";
import { TableChat } from "./elements/table-chat.js";
import { TurnOrder } from "./elements/turn-order.js";
import { UploadDock } from "./elements/upload-dock.js";
import { TableStage } from "./stage/stage.js";
import { State } from "./state.js";
import { Uploads } from "./uploads.js";

customElements.define("folder-choice", FolderChoice);
customElements.define("folder-shelves", FolderShelves);
customElements.define("map-library", MapLibrary);
customElements.define("scene-library", SceneLibrary);
customElements.define("server-status", ServerStatus);
customElements.define("sound-library", SoundLibrary);
customElements.define("sound-player", SoundPlayer);
customElements.define("status-line", StatusLine);
customElements.define("upload-dock", UploadDock);
customElements.define("dice-tray", DiceTray);
customElements.define("chosen-bar", ChosenBar);
customElements.define("grid-panel", GridPanel);
customElements.define("gm-console", GmConsole);
customElements.define("maps-panel", MapsPanel);
customElements.define("people-panel", PeoplePanel);
customElements.define("sound-shelf", SoundShelf);
customElements.define("sounds-panel", SoundsPanel);
customElements.define("scenes-panel", ScenesPanel);
customElements.define("table-chat", TableChat);
customElements.define("table-stage", TableStage);
customElements.define("turn-order", TurnOrder);
customElements.define("turns-panel", TurnsPanel);

const state = new State(api);
const uploads = new Uploads(api);
const player = new SoundPlayer();
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
mount("docks", player, {});
mount("status", new ServerStatus(), { state });
mount("maps", new MapLibrary(), { api, state, uploads });
mount("scenes", new SceneLibrary(), { api, state });
mount("sounds", new SoundLibrary(), { api, state, uploads, player });

document.addEventListener("say", (e) => {
  const { text, kind } = /** @type {CustomEvent} */ (e).detail;
  status.show(text, kind);
});

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
tabs.addEventListener("choose", (e) => chosen(/** @type {CustomEvent} */ (e).detail));
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
