import { confirm } from "../dialogs.js";
import { fill, h, icon, iconButton } from "../dom.js";
import { DiceTray } from "../elements/dice-tray.js";
import { TableChat } from "../elements/table-chat.js";
import { Live } from "../live.js";
import { reportScreen } from "../screen.js";
import { follow } from "../stage/follow.js";
import { rectangle } from "../stage/fog.js";
import { isEmpty } from "../stage/model.js";
import { TableStage } from "../stage/stage.js";
import { FogTool, MarkerTool, MeasureTool, PointTool } from "./area-tools.js";
import { MAP_TYPE, MapsPanel } from "./maps-panel.js";
import { MoveTool, nameOf } from "./move-tool.js";
import { PeoplePanel } from "./people-panel.js";
import { ScenesPanel } from "./scenes-panel.js";
import { cover, isLocked, place, removeMap, setMap } from "./scene.js";
import { GmTable } from "./table.js";
import { ENTRY_TYPE, TurnsPanel } from "./turns-panel.js";

const SHAPES = ["circle", "cone", "line", "square", "cube", "cylinder"];
/** A broken connection is not worth a word for so long, in milliseconds. */
const PATIENCE = 1_500;

/** @typedef {"move" | "fog" | "area" | "measure" | "ping"} ToolName */

/** The table in the GM's hands. Set `state`, `api` and `uploads` before inserting it. */
export class GmConsole extends HTMLElement {
  /** @type {import("../state.js").State} */ state;
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("../uploads.js").Uploads} */ uploads;
  #stage = Object.assign(new TableStage(), { showsHidden: true, fogShare: 0.55, tabIndex: 0 });
  #gone = new AbortController();
  /** @type {Live} */ #live;
  /** @type {GmTable} */ #table;
  /** @type {Record<ToolName, import("../stage/stage.js").Tool>} */ #tools;
  /** @type {FogTool} */ #fog;
  /** @type {MarkerTool} */ #marker;
  #scenes = new ScenesPanel();
  #maps = new MapsPanel();
  #turns = new TurnsPanel();
  #people = new PeoplePanel();
  #bar = h("div", { class: "tool-bar", role: "toolbar", "aria-label": "Tools" });
  #options = h("div", { class: "tool-options" });
  #chosen = h("div", { class: "chosen-bar", role: "group", hidden: true });
  #status = h("p", { class: "console-state", role: "status" });
  #waiting = h("div", { class: "stage-empty" }, h("h2", {}, "An empty table"), h("p", {}, "Drag a map here from the right, or click it."));
  #undo = iconButton("undo", "Undo", () => this.#back("undo"));
  #redo = iconButton("redo", "Redo", () => this.#back("redo"));
  #side = h("div", { class: "side" });
  #lostSince = 0;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const live = this.#live = new Live({ name: "GM", role: "gm" });
    const table = this.#table = new GmTable(live, this.#stage, this);
    this.#fog = new FogTool(table);
    this.#marker = new MarkerTool(table);
    this.#tools = { move: new MoveTool(table), fog: this.#fog, area: this.#marker, measure: new MeasureTool(table), ping: new PointTool(table) };
    this.#stage.setAttribute("role", "application");
    this.#stage.setAttribute("aria-label", "The table. Arrow keys move what is chosen, or else the view; plus and minus zoom, 0 shows everything, Delete removes what is chosen, Escape lets go.");
    Object.assign(this.#scenes, { table, state: this.state, api: this.api });
    Object.assign(this.#maps, { table, state: this.state, api: this.api, uploads: this.uploads });
    Object.assign(this.#turns, { table });
    Object.assign(this.#people, { table, api: this.api });
    this.#showTools();
    this.#showSide(live);
    const stage = h("div", { class: "console-stage" }, this.#stage, this.#waiting, this.#chosen);
    fill(this, h("h2", { class: "unseen" }, "The table"), h("div", { class: "console-main" }, h("div", { class: "console-top" }, this.#bar, this.#options), stage), this.#side);
    this.#take("move");

    const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ listener) =>
      live.addEventListener(type, (/** @type {CustomEvent} */ event) => listener(event.detail), { signal });
    let sceneId = /** @type {unknown} */ (undefined);
    follow(this.#stage, live, signal);
    on("scene", ({ scene }) => {
      // What can be taken back is another scene's then.
      if (scene?.id !== sceneId) this.#showHistory();
      sceneId = scene?.id;
      this.#waiting.hidden = !isEmpty(scene);
      this.#refreshChosen();
    });
    on("status", (status) => this.#showStatus(status));
    on("conflict", () => table.say("Somebody else changed the same thing first; yours went back.", "note"));
    table.addEventListener("chosen", () => this.#showChosen(), { signal });
    table.history.addEventListener("change", () => this.#showHistory(), { signal });
    addEventListener("pagehide", () => table.history.keep(), { signal });
    document.addEventListener("keydown", (event) => this.#shortcut(event), { signal });
    this.#stage.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    this.#stage.addEventListener("hold", (e) => table.ping(/** @type {CustomEvent} */ (e).detail.scene), { signal });
    this.#takeDrops(stage, signal);
    reportScreen(live, null, signal);
    this.#showStatus("connecting");
    this.#showHistory();
    live.connect();
  }

  disconnectedCallback() {
    this.#table.history.keep();
    this.#gone.abort();
    this.#live.close();
  }

  // What stands around the stage

  #showTools() {
    /** @type {[ToolName, Parameters<typeof icon>[0], string, string][]} */
    const tools = [["move", "move", "Choose and move", "V"], ["fog", "fog", "Fog", "F"], ["area", "area", "Area", "A"], ["measure", "measure", "Measure", "M"], ["ping", "ping", "Point and ping", "P"]];
    const buttons = tools.map(([name, picture, words, key]) => h("button", { type: "button", class: "tool", "data-tool": name, "aria-pressed": "false", title: `${words} (${key})`, on: { click: () => this.#take(name) } },
      icon(picture), h("span", {}, words)));
    fill(this.#bar, ...buttons, h("span", { class: "bar-gap" }), this.#status, this.#undo, this.#redo,
      iconButton("all", "Show everything", () => this.#stage.fit()));
  }

  /** @param {ToolName} name */
  #take(name) {
    if (name !== "move") this.#table.choose(null);
    this.#stage.tool = this.#tools[name];
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.#bar.querySelectorAll("[data-tool]"))) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    if (name === "fog") this.#fogOptions();
    else if (name === "area") this.#areaOptions();
    else fill(this.#options);
    this.#options.hidden = !this.#options.hasChildNodes();
  }

  #fogOptions() {
    const fog = this.#fog;
    const select = (/** @type {string} */ label, /** @type {[string, string][]} */ options, /** @type {string} */ value, /** @type {(value: string) => void} */ change) => choiceOf(label, options, value, change);
    const button = (/** @type {string} */ words, /** @type {() => void} */ click) => h("button", { type: "button", class: "button quiet small", on: { click } }, words);
    const radius = h("input", { type: "range", min: "0.5", max: "6", step: "0.5", value: String(fog.breadth), "aria-label": "Breadth of the brush", on: { input: () => {
      fog.breadth = radius.valueAsNumber;
      this.#stage.invalidate("overlay");
    } } });
    fill(this.#options,
      select("What it does", [["cover", "Cover"], ["reveal", "Reveal"]], fog.isCover ? "cover" : "reveal", (value) => { fog.isCover = value === "cover"; }),
      select("Form", [["rectangle", "Rectangle"], ["polygon", "Polygon"], ["brush", "Brush"]], fog.form, (value) => {
        fog.cancel();
        fog.form = /** @type {any} */ (value);
        this.#fogOptions();
      }),
      fog.form === "brush" && h("label", { class: "field inline" }, h("span", {}, "Breadth"), radius),
      fog.form === "polygon" && button("Close the polygon", () => fog.finish()),
      h("span", { class: "bar-gap" }),
      button("Cover all", () => this.#coverAll()),
      button("Clear all fog", () => this.#clearFog()));
  }

  #coverAll() {
    const { x, y, width, height } = this.#stage.extent;
    this.#table.change("Covered everything", cover(this.#live.state.scene, [rectangle({ x, y }, { x: x + width, y: y + height })]));
  }

  async #clearFog() {
    if ((this.#live.state.scene?.fogOfWar ?? []).length === 0) return this.#table.say("There is no fog.");
    const sure = await confirm({ title: "Clear all fog?", text: "Everybody sees the whole map at once. Undo brings the fog back.", yes: "Clear", danger: true });
    if (sure) this.#table.change("Cleared the fog", [{ op: "set", path: ["fogOfWar"], value: [] }]);
  }

  #areaOptions() {
    const marker = this.#marker;
    const feet = h("input", { type: "number", min: "5", max: "500", step: "5", value: String(marker.feet), on: { change: () => { marker.feet = Math.max(1, feet.valueAsNumber || 20); } } });
    const color = h("input", { type: "color", value: marker.color, on: { input: () => { marker.color = color.value; } } });
    const hidden = h("input", { type: "checkbox", checked: marker.isHidden, on: { change: () => { marker.isHidden = hidden.checked; } } });
    fill(this.#options,
      choiceOf("Shape", SHAPES.map((shape) => [shape, shape[0].toUpperCase() + shape.slice(1)]), marker.shape, (value) => { marker.shape = value; }),
      h("label", { class: "field inline" }, h("span", {}, "Feet"), feet), h("label", { class: "field inline" }, h("span", {}, "Colour"), color),
      h("label", { class: "check" }, hidden, h("span", {}, "Hidden at first")),
      h("button", { type: "button", class: "button quiet small", on: { click: () => marker.place(this.#table.middle, 0) } }, "Place in the middle"));
  }

  /** @param {Live} live */
  #showSide(live) {
    const parts = [
      { id: "side-maps", words: "Maps", panel: this.#maps },
      { id: "side-scenes", words: "Scenes", panel: this.#scenes },
      { id: "side-turns", words: "Turns", panel: this.#turns },
      { id: "side-people", words: "Screens", panel: this.#people },
      { id: "side-chat", words: "Chat", panel: Object.assign(new TableChat(), { live }) },
      { id: "side-dice", words: "Dice", panel: Object.assign(new DiceTray(), { live }) },
    ];
    const badge = h("span", { class: "count" });
    this.#people.addEventListener("waiting", (e) => {
      const { detail } = /** @type {CustomEvent} */ (e);
      badge.textContent = detail > 0 ? String(detail) : "";
      badge.title = detail > 0 ? "Screens that want in" : "";
    });
    const tabs = parts.map(({ id, words }) => h("button", { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id, on: { click: () => choose(id) } }, words, words === "Screens" && badge));
    const panels = parts.map(({ id, panel }) => h("section", { id, class: "side-panel", role: "tabpanel", tabIndex: 0, "aria-labelledby": `${id}-tab` }, panel));
    const choose = (/** @type {string} */ id) => {
      for (const tab of tabs) {
        const is = tab.getAttribute("aria-controls") === id;
        tab.setAttribute("aria-selected", String(is));
        tab.tabIndex = is ? 0 : -1;
      }
      for (const panel of panels) panel.hidden = panel.id !== id;
    };
    const list = h("div", { class: "side-tabs", role: "tablist", "aria-label": "Parts of the table", on: { keydown: (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const at = tabs.findIndex((tab) => tab === document.activeElement);
      if (step === undefined || at < 0) return;
      event.preventDefault();
      const next = tabs[(at + step + tabs.length) % tabs.length];
      next.click();
      next.focus();
    } } }, ...tabs);
    fill(this.#side, list, ...panels);
    choose("side-maps");
  }

  /** @param {string} status */
  #showStatus(status) {
    this.#lostSince = status === "live" ? 0 : this.#lostSince || Date.now();
    const show = () => {
      const isLost = this.#lostSince !== 0 && Date.now() - this.#lostSince >= PATIENCE;
      this.dataset.is = this.#lostSince === 0 ? "well" : isLost ? "away" : "busy";
      const words = this.#lostSince === 0 ? "Live" : isLost ? "The connection is lost. Trying again; what you do meanwhile is sent later." : "Connecting";
      if (this.#status.dataset.words === words) return;
      this.#status.dataset.words = words;
      fill(this.#status, h("span", { class: "dot", "aria-hidden": "true" }), words);
    };
    show();
    if (status !== "live") setTimeout(show, PATIENCE + 50);
  }

  #showHistory() {
    const { undoes, redoes } = this.#table.history;
    for (const [button, words, what] of /** @type {[HTMLButtonElement, string, string | null][]} */ ([[this.#undo, "Undo", undoes], [this.#redo, "Redo", redoes]])) {
      button.disabled = what === null;
      button.title = what === null ? words : `${words}: ${what}`;
      button.setAttribute("aria-label", button.title);
    }
  }

  // What is chosen

  #refreshChosen() {
    const { chosen } = this.#table;
    if (!chosen) return;
    const { tokens, markers, maps } = this.#stage;
    const things = { token: tokens, marker: markers, map: maps, fog: [] }[chosen.kind];
    const thing = /** @type {any[]} */ (things).find((one) => (chosen.kind === "map" ? `map:${one.key}` === chosen.key : one.id === chosen.id));
    if (!thing) return this.#table.choose(null);
    chosen.thing = thing;
    this.#showChosen();
  }

  #showChosen() {
    const { chosen } = this.#table;
    const print = JSON.stringify(chosen && [chosen.key, chosen.thing.isHidden, chosen.thing.isRevealed]);
    if (this.#chosen.dataset.print === print) return;
    this.#chosen.dataset.print = print;
    this.#chosen.hidden = chosen === null;
    if (chosen === null) return fill(this.#chosen);
    const name = nameOf(chosen);
    this.#chosen.setAttribute("aria-label", `For ${name}`);
    const button = (/** @type {string} */ words, /** @type {() => void} */ click) => h("button", { type: "button", class: "button quiet small", on: { click } }, words);
    fill(this.#chosen, h("strong", {}, name),
      chosen.kind !== "token" && button("Turn", () => this.#turn(chosen.kind === "map" ? 90 : 15)),
      chosen.kind === "marker" && button(chosen.thing.isRevealed ? "Hide" : "Reveal", () => this.#table.change(`Showed or hid ${name}`, [{ op: "set", path: ["aoeMarkers", { id: chosen.id }, "revealed"], value: !chosen.thing.isRevealed }])),
      button(chosen.kind === "token" ? "Take off the map" : "Remove", () => this.#remove()));
  }

  /** @param {number} degrees */
  #turn(degrees) {
    const { chosen } = this.#table;
    const { scene } = this.#live.state;
    if (!chosen || chosen.kind === "token") return;
    const rotation = (chosen.thing.rotation + degrees) % 360;
    this.#table.change(`Turned ${nameOf(chosen)}`, chosen.kind === "map" ? setMap(scene, chosen.thing, { rotation }) : [{ op: "set", path: ["aoeMarkers", { id: chosen.id }, "rotation"], value: rotation }]);
  }

  #remove() {
    const { chosen } = this.#table;
    const { scene } = this.#live.state;
    if (!chosen) return;
    const name = nameOf(chosen);
    this.#table.choose(null);
    if (chosen.kind === "map") this.#table.change(`Took ${name} off`, removeMap(scene, chosen.thing));
    else if (chosen.kind === "marker") this.#table.change(`Removed ${name}`, [{ op: "delete", path: ["aoeMarkers", { id: chosen.id }] }]);
    else if (chosen.kind === "token") this.#table.change(`Took ${name} off the map`, [{ op: "delete", path: ["initiativeOrder", { id: chosen.id }, "mapPosition"] }]);
    this.#table.say(`${name} is gone; Undo brings it back.`);
    this.#stage.focus({ preventScroll: true });
  }

  // Keys and drops

  /** @param {"undo" | "redo"} which */
  async #back(which) {
    try {
      const words = await this.#table.history[which]();
      if (words !== null) this.#table.say(`${which === "undo" ? "Taken back" : "Done again"}: ${words}`);
    } catch (error) {
      this.#table.trouble(error);
    }
  }

  /** @param {KeyboardEvent} event */
  #shortcut(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!this.checkVisibility() || target.closest("input, textarea, select, dialog")) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y")) {
      event.preventDefault();
      this.#back(key === "y" || event.shiftKey ? "redo" : "undo");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tool = /** @type {Record<string, ToolName>} */ ({ v: "move", f: "fog", a: "area", m: "measure", p: "ping" })[key];
    if (tool && target === this.#stage) this.#take(tool);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.#stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const { chosen } = this.#table;
    const step = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] })[event.key];
    if (event.key === "Escape") {
      this.#fog.cancel();
      this.#table.choose(null);
    } else if (event.key === "Enter" && this.#stage.tool === this.#fog) this.#fog.finish();
    else if (chosen && (event.key === "Delete" || event.key === "Backspace")) this.#remove();
    else if (chosen && step) {
      if (chosen.kind === "map" && isLocked(this.#live.state.scene, chosen.thing)) return;
      const { cell } = this.#stage.grid;
      const far = chosen.kind === "token" || !event.shiftKey ? cell : cell / 10;
      // Where it is going to be, and not where it is drawn on its way there.
      const home = this.#homeOf(chosen);
      if (home) this.#table.change(`Moved ${nameOf(chosen)}`, place(this.#live.state.scene, chosen, { x: home.x + step[0] * far, y: home.y + step[1] * far }));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {import("../stage/hit.js").Hit} hit */
  #homeOf({ kind, id, thing }) {
    const { scene } = this.#live.state;
    const raw = kind === "token" ? scene.initiativeOrder.find((/** @type {any} */ one) => one.id === id)?.mapPosition
      : kind === "marker" ? scene.aoeMarkers.find((/** @type {any} */ one) => one.id === id)?.position
        : scene.maps.filter((/** @type {any} */ one) => one.name === thing.name)[thing.nth]?.data?.position;
    if (!raw) return null;
    const unit = (kind === "token" ? raw.useGridCoordinates === true : thing.inCells) ? this.#stage.grid.cell : 1;
    return { x: raw.x * unit, y: raw.y * unit };
  }

  /** @param {HTMLElement} area @param {AbortSignal} signal */
  #takeDrops(area, signal) {
    const isOurs = (/** @type {DragEvent} */ { dataTransfer }) => dataTransfer?.types.some((type) => type === MAP_TYPE || type === ENTRY_TYPE) ?? false;
    area.addEventListener("dragover", (event) => {
      if (!isOurs(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
      area.classList.add("takes-drop");
    }, { signal });
    area.addEventListener("dragleave", () => area.classList.remove("takes-drop"), { signal });
    area.addEventListener("drop", (event) => {
      area.classList.remove("takes-drop");
      if (!isOurs(event)) return;
      event.preventDefault();
      const { left, top } = this.#stage.getBoundingClientRect();
      const at = this.#stage.camera.toScene({ x: event.clientX - left, y: event.clientY - top });
      const entry = event.dataTransfer?.getData(ENTRY_TYPE);
      if (entry) return this.#turns.place(entry, at);
      this.#maps.add(JSON.parse(event.dataTransfer?.getData(MAP_TYPE) ?? "{}"), at);
    }, { signal });
  }
}

/**
 * @param {string} label
 * @param {[string, string][]} options
 * @param {string} value
 * @param {(value: string) => void} change
 */
function choiceOf(label, options, value, change) {
  const select = h("select", { "aria-label": label, on: { change: () => change(select.value) } }, ...options.map(([name, words]) => h("option", { value: name }, words)));
  select.value = value;
  return h("label", { class: "field inline" }, select);
}
