// Registers the elements and wires them: data flows down as properties, events flow up.

import * as api from "./api.js";
import { FolderChoice } from "./elements/folder-choice.js";
import { MapLibrary } from "./elements/map-library.js";
import { SceneLibrary } from "./elements/scene-library.js";
import { ServerStatus } from "./elements/server-status.js";
import { SoundLibrary } from "./elements/sound-library.js";
import { SoundPlayer } from "./elements/sound-player.js";
import { StatusLine } from "./elements/status-line.js";
import { TabBar } from "./elements/tab-bar.js";
import { UploadDock } from "./elements/upload-dock.js";
import { State } from "./state.js";
import { Uploads } from "./uploads.js";

customElements.define("folder-choice", FolderChoice);
customElements.define("map-library", MapLibrary);
customElements.define("scene-library", SceneLibrary);
customElements.define("server-status", ServerStatus);
customElements.define("sound-library", SoundLibrary);
customElements.define("sound-player", SoundPlayer);
customElements.define("status-line", StatusLine);
customElements.define("tab-bar", TabBar);
customElements.define("upload-dock", UploadDock);

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

// Players see sounds only, so that is where they start.
state.addEventListener("change", () => {
  const tabs = document.querySelector("tab-bar");
  if (state.refusal !== "" && location.hash === "" && tabs instanceof TabBar) tabs.show("sounds");
});

state.watch(new AbortController().signal);
