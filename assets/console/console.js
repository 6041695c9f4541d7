import { confirm } from "../dialogs.js";
import { fill, h, icon, iconButton, say } from "../dom.js";
import { later, need } from "../later.js";
import { askBeforeLeaving } from "../leaving.js";
import { Live } from "../live.js";
import { diceTray, scenesPanel, soundsPanel, tableChat, turnsPanel } from "../parts.js";
import { reportScreen } from "../screen.js";
import { TableSound } from "../table-sound.js";
import { Unread } from "../unread.js";
import { follow } from "../stage/follow.js";
import { rectangle } from "../stage/fog.js";
import { isEmpty } from "../stage/model.js";
import { TableStage } from "../stage/stage.js";
import { FogTool, MarkerTool, MeasureTool, PointTool } from "./area-tools.js";
import { MAP_TYPE, MapsPanel } from "./maps-panel.js";
import { ChosenBar } from "./chosen-bar.js";
import { SceneDesk } from "./desk.js";
import { Frames } from "./frames.js";
import { GridPanel, ruleChoice, setGrid } from "./grid-panel.js";
import { Hands } from "./hands.js";
import { MoveTool } from "./move-tool.js";
import { PeoplePanel } from "./people-panel.js";
import { cover } from "./scene.js";
import { press } from "./shortcuts.js";
import { ENTRY_TYPE, GmTable } from "./table.js";

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
  /** @type {SceneDesk} */ #desk;
  #maps = new MapsPanel();
  #people = new PeoplePanel();
  /** Ways to the panels that come later. @type {Record<"scenes" | "turns" | "sounds" | "chat" | "dice", () => Promise<any>>} */ #panels;
  #bar = h("div", { class: "tool-bar", role: "toolbar", "aria-label": "Tools" });
  #options = h("div", { class: "tool-options" });
  #chosen = new ChosenBar();
  #grid = Object.assign(new GridPanel(), { hidden: true });
  /** @type {Hands} */ #hands;
  /** @type {Frames} */ #frames;
  #status = h("p", { class: "console-state", role: "status" });
  /** Lies over the stage: nothing moves under a hand that drags when the connection breaks. */
  #notice = h("p", { class: "stage-notice", role: "status" });
  #waiting = h("div", { class: "stage-empty" }, h("h2", {}, "An empty table"), h("p", {}, "Drag a map here from the right, or click it."));
  #undo = iconButton("undo", "Undo", () => this.#back("undo"));
  #redo = iconButton("redo", "Redo", () => this.#back("redo"));
  #gridButton = iconButton("grid", "Grid", () => this.#openGrid(this.#grid.hidden));
  #framesButton = iconButton("screen", "Frames of screens", () => this.#flipFrames());
  #side = h("div", { class: "side" });
  #lostSince = 0;
  /** Whether the table is not in this window's hands any more. */ #isOut = false;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const live = this.#live = new Live({ name: "GM", role: "gm" });
    const table = this.#table = new GmTable(live, this.#stage, this);
    this.#fog = new FogTool(table);
    this.#marker = new MarkerTool(table);
    const frames = this.#frames = new Frames(table);
    this.#hands = new Hands(table, frames);
    this.#stage.above = frames.paint;
    const move = new MoveTool(table, frames);
    this.#tools = { move, fog: this.#fog, area: this.#marker, measure: new MeasureTool(table), ping: new PointTool(table) };
    this.#stage.setAttribute("role", "application");
    this.#stage.setAttribute("aria-label", "The table. N chooses one thing after the other, arrow keys move it, or else the view; a question mark shows all keys.");
    const { api, state, uploads } = this;
    this.#desk = state.desk = new SceneDesk({ live, history: table.history, api, state }, signal);
    Object.assign(this.#maps, { table, hands: this.#hands, state, api, uploads });
    Object.assign(this.#people, { table, frames, api });
    Object.assign(this.#chosen, { table, frames, hands: this.#hands });
    Object.assign(this.#grid, { table });
    const sound = new TableSound(live, signal, { routes: ["all", "gm"] });
    this.#showTools();
    this.#showSide(sound);
    const stage = h("div", { class: "console-stage" }, this.#stage, this.#waiting, this.#notice, this.#grid, this.#chosen);
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
    });
    for (const type of ["members", "display", "status"]) on(type, () => this.#showFrames());
    this.#stage.addEventListener("extent", () => frames.refresh(), { signal });
    on("status", (status) => this.#showStatus(status));
    // Who looks after what plays, and says what is wrong with it, must be there then.
    on("audio", () => live.state.audio.tracks.some(({ playing }) => playing) && this.#panels.sounds());
    // Where nothing may be heard before it, a touch of the page is enough.
    for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => sound.unlock(), { signal });
    on("conflict", () => table.say("Somebody else changed the same thing first; yours went back.", "note"));
    table.history.addEventListener("change", () => this.#showHistory(), { signal });
    addEventListener("pagehide", () => table.history.keep(), { signal });
    this.#grid.addEventListener("shut", () => this.#openGrid(false), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    this.#stage.addEventListener("tap", (e) => this.#stage.tool === move && move.tap(/** @type {CustomEvent} */ (e).detail), { signal });
    this.#stage.addEventListener("hold", (e) => table.ping(/** @type {CustomEvent} */ (e).detail.scene), { signal });
    this.#takeDrops(stage, signal);
    reportScreen(live, sound, signal);
    askBeforeLeaving(live, signal);
    this.#showStatus("connecting");
    this.#showHistory();
    live.connect();
  }

  disconnectedCallback() {
    this.#table.history.keep();
    this.#gone.abort();
    if (this.state.desk === this.#desk) this.state.desk = null;
    this.#live.close();
  }

  /** Shows how others come to the table. */
  comeIn() {
    return this.#people.comeIn();
  }

  // What stands around the stage

  #showTools() {
    /** @type {[ToolName, Parameters<typeof icon>[0], string, string][]} */
    const tools = [["move", "move", "Move", "Choose and move (V)"], ["fog", "fog", "Fog", "Fog (F)"], ["area", "area", "Area", "Areas of spells (A)"], ["measure", "measure", "Measure", "Measure (M)"], ["ping", "ping", "Point", "Point and ping (P)"]];
    const buttons = tools.map(([name, picture, words, title]) => h("button", { type: "button", class: "tool", "data-tool": name, "aria-pressed": "false", title, on: { click: () => this.#take(name) } },
      icon(picture), h("span", {}, words)));
    fill(this.#bar, ...buttons, h("span", { class: "bar-gap" }), this.#status, this.#undo, this.#redo,
      this.#gridButton, this.#framesButton, iconButton("all", "Show everything", () => this.#stage.fit()), iconButton("keys", "Keys", () => this.#showKeys()));
    this.#gridButton.setAttribute("aria-expanded", "false");
    this.#framesButton.hidden = true;
    this.#showFrames();
  }

  /** @param {ToolName} name */
  #take(name) {
    if (name !== "move") this.#table.choose(null);
    this.#stage.tool = this.#tools[name];
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.#bar.querySelectorAll("[data-tool]"))) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    if (name === "fog") this.#fogOptions();
    else if (name === "area") this.#areaOptions();
    else if (name === "measure") fill(this.#options, h("label", { class: "field inline" }, h("span", {}, "Distances"), ruleChoice(this.#table)));
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
    const hidden = h("input", { type: "checkbox", checked: marker.isHidden, on: { change: () => setGrid(this.#table, { aoeStagedReveal: hidden.checked }) } });
    fill(this.#options,
      choiceOf("Shape", SHAPES.map((shape) => [shape, shape[0].toUpperCase() + shape.slice(1)]), marker.shape, (value) => { marker.shape = value; }),
      h("label", { class: "field inline" }, h("span", {}, "Feet"), feet), h("label", { class: "field inline" }, h("span", {}, "Colour"), color),
      h("label", { class: "check" }, hidden, h("span", {}, "Hidden at first")),
      h("button", { type: "button", class: "button quiet small", on: { click: () => marker.place(this.#table.middle, 0) } }, "Place in the middle"));
  }

  /** @param {TableSound} sound */
  #showSide(sound) {
    const { api, state, uploads } = this;
    const [table, live, desk] = [this.#table, this.#live, this.#desk];
    const parts = [
      { id: "side-maps", words: "Maps", panel: this.#maps },
      { id: "side-scenes", words: "Scenes" },
      { id: "side-turns", words: "Turns" },
      { id: "side-sounds", words: "Sounds" },
      { id: "side-people", words: "Screens", panel: this.#people },
      { id: "side-chat", words: "Chat" },
      { id: "side-dice", words: "Dice" },
    ];
    let chosen = "";
    const unread = new Unread(live, () => chosen === "side-chat", this.#gone.signal);
    const wanting = h("span", { class: "count" });
    this.#people.addEventListener("waiting", (e) => {
      const { detail } = /** @type {CustomEvent} */ (e);
      fill(wanting, ...(detail > 0 ? [String(detail), h("span", { class: "unseen" }, detail > 1 ? " want in" : " wants in")] : []));
      wanting.title = detail > 0 ? "Screens that want in" : "";
    });
    /** @type {Record<string, HTMLElement>} */
    const badges = { "side-people": wanting, "side-chat": unread.badge };
    const tabs = parts.map(({ id, words }) => h("button", { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id, on: { click: () => choose(id) } }, words, badges[id]));
    const panels = parts.map(({ id, panel }) => h("section", { id, class: "side-panel", role: "tabpanel", tabIndex: 0, "aria-labelledby": `${id}-tab` }, panel));
    const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (panels.find((panel) => panel.id === id));
    this.#panels = {
      scenes: later(at("side-scenes"), "The scenes", async () => Object.assign(await scenesPanel(), { table, desk, state, api })),
      turns: later(at("side-turns"), "The turns", async () => Object.assign(await turnsPanel(), { table })),
      sounds: later(at("side-sounds"), "The sounds", async () => Object.assign(await soundsPanel(), { table, state, api, uploads, sound })),
      chat: later(at("side-chat"), "The chat", async () => Object.assign(await tableChat(), { live })),
      dice: later(at("side-dice"), "The dice", async () => Object.assign(await diceTray(), { live })),
    };
    const ways = new Map(Object.entries(this.#panels).map(([name, way]) => [`side-${name}`, way]));
    const choose = (/** @type {string} */ id) => {
      chosen = id;
      if (id === "side-chat") unread.clear();
      for (const tab of tabs) {
        const is = tab.getAttribute("aria-controls") === id;
        tab.setAttribute("aria-selected", String(is));
        tab.tabIndex = is ? 0 : -1;
      }
      for (const panel of panels) panel.hidden = panel.id !== id;
      ways.get(id)?.();
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
    const wasOut = this.#isOut;
    // A sign-in that has run out makes a player of this window, who is shown less than there is.
    if (status === "live" || status === "ended") this.#isOut = status === "ended" || this.#live.state.you?.role !== "gm";
    if (this.#isOut) return wasOut || this.#showOut(status);
    this.#lostSince = status === "live" ? 0 : this.#lostSince || Date.now();
    const show = () => {
      if (this.#isOut) return;
      const isLost = this.#lostSince !== 0 && Date.now() - this.#lostSince >= PATIENCE;
      this.dataset.is = this.#lostSince === 0 ? "well" : isLost ? "away" : "busy";
      const words = this.#lostSince === 0 ? "Live" : isLost ? "Offline" : "Connecting";
      if (this.#status.dataset.words === words) return;
      this.#status.dataset.words = words;
      fill(this.#status, h("span", { class: "dot", "aria-hidden": "true" }), words);
      this.#notice.textContent = isLost ? "The connection is lost. Trying again; what you do meanwhile is sent later." : "";
    };
    show();
    if (status !== "live") setTimeout(show, PATIENCE + 50);
  }

  /** @param {string} status */
  #showOut(status) {
    const words = status === "ended" ? "The table has sent this window away." : "You are not signed in as the GM any more.";
    this.dataset.is = "away";
    this.#notice.textContent = "";
    this.#status.dataset.words = words;
    fill(this.#status, h("span", { class: "dot", "aria-hidden": "true" }), words, h("button", { type: "button", class: "button quiet small", on: { click: () => location.reload() } }, "Come back"));
    say(this, words, "error");
    // Where a sign-in is missing, the page shows the way to it in place of the table.
    this.state.reload("maps");
  }

  #showHistory() {
    const { undoes, redoes } = this.#table.history;
    for (const [button, words, what] of /** @type {[HTMLButtonElement, string, string | null][]} */ ([[this.#undo, "Undo", undoes], [this.#redo, "Redo", redoes]])) {
      button.disabled = what === null;
      button.title = what === null ? words : `${words}: ${what}`;
      button.setAttribute("aria-label", button.title);
    }
  }

  async #showKeys() {
    (await need(this, "The sheet of keys", () => import("./key-sheet.js")))?.showKeys();
  }

  /** @param {boolean} isOpen */
  #openGrid(isOpen) {
    const had = this.#grid.contains(document.activeElement);
    this.#grid.hidden = !isOpen;
    this.#gridButton.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.#grid.querySelector("input")?.focus();
    else if (had) this.#gridButton.focus();
  }

  #flipFrames() {
    this.#frames.isShown = !this.#frames.isShown;
    if (this.#table.chosen?.kind === "frame") this.#table.choose(null);
    this.#showFrames();
  }

  #showFrames() {
    const { isShown, list } = this.#frames;
    // Once it is there it keeps its place: a screen that comes back a moment later than this window moves nothing.
    if (list.length > 0) this.#framesButton.hidden = false;
    this.#framesButton.disabled = list.length === 0;
    this.#framesButton.setAttribute("aria-pressed", String(isShown));
    this.#frames.refresh();
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

  /** @type {import("./shortcuts.js").Doings} */
  get #doings() {
    return {
      hands: this.#hands,
      take: (tool) => this.#take(tool),
      undo: () => this.#back("undo"),
      redo: () => this.#back("redo"),
      letGo: () => this.#letGo(),
      finish: () => this.#stage.tool === this.#fog && this.#fog.isUnfinished && (this.#fog.finish(), true),
      turns: (step) => this.#table.turn(step),
      grid: () => this.#openGrid(this.#grid.hidden),
      frames: () => this.#flipFrames(),
      save: async () => (await this.#panels.scenes())?.save(),
      help: () => this.#showKeys(),
    };
  }

  #letGo() {
    this.#stage.tool?.cancel?.();
    this.#table.choose(null);
    this.#openGrid(false);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.checkVisibility()) return;
    const target = /** @type {Element} */ (event.target);
    // From a button of the bar, keys but the one that presses it go to the table.
    const atTable = target === this.#stage || target === document.body || (this.#bar.contains(target) && event.key !== "Enter");
    if (event.key === "Escape" && this.#grid.contains(target)) return this.#openGrid(false);
    press(event, this.#doings, atTable);
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
      if (entry) return this.#panels.turns().then((turns) => turns?.place(entry, at));
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
