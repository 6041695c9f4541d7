import { LONGEST_NAME } from "../api.js";
import { fill, h, icon, say } from "../dom.js";
import { prompt } from "../dialogs.js";
import { DiceTray } from "../elements/dice-tray.js";
import { TableChat } from "../elements/table-chat.js";
import { TurnOrder } from "../elements/turn-order.js";
import { askBeforeLeaving, mayLeave } from "../leaving.js";
import { Live } from "../live.js";
import { reportScreen } from "../screen.js";
import { colorOf, follow } from "../stage/follow.js";
import { entriesOf, isEmpty } from "../stage/model.js";
import { OwnTokenTool } from "../stage/own-token.js";
import { TableStage } from "../stage/stage.js";
import { TableSound } from "../table-sound.js";
import { Unread } from "../unread.js";

/** A broken connection is not worth a word for so long, in milliseconds. */
const PATIENCE = 1_500;
/** How near one looks at one's own token: so many CSS pixels for a cell. */
const NEAR = 44;

/** @typedef {"map" | "turns" | "dice" | "chat"} Tab */

/** A player's seat at a table. Set `table` and `name` before inserting it. Events: `over` with the end, `leave`, `rename`. */
export class PlayerSeat extends HTMLElement {
  /** @type {import("../api.js").Table} */ table;
  name = "";
  #stage = new TableStage();
  /** Lies over the map: nothing moves under a finger that drags when the connection breaks. */
  #state = h("p", { class: "stage-notice", role: "status" });
  #title = h("strong", {});
  #waiting = h("div", { class: "seat-waiting" });
  #panel = h("section", { class: "seat-panel", hidden: true, id: "panel", role: "tabpanel" });
  #tabs = h("nav", { class: "seat-tabs", role: "tablist", "aria-label": "Parts of the page" });
  /** @type {Unread} */ #unread;
  #find = this.#mapButton("token", "Show my token", () => this.#findOwn());
  #gone = new AbortController();
  /** @type {Live} */ #live;
  /** @type {OwnTokenTool} */ #tool;
  /** @type {Tab} */ #tab = "map";
  /** @type {AbortController | null} */ #sounding = null;
  #lostSince = 0;
  /** Whether the view was led to one's own token; after that it is the player's. */ #wasLed = false;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#live = new Live({ table: this.table.id, name: this.name, role: "player" });
    const live = this.#live;
    this.#tool = new OwnTokenTool(this.#stage, live, (error) => say(this, `Your move was not taken: ${error.message}`, "error"));
    this.#stage.tool = this.#tool;
    Object.assign(this.#stage, { tabIndex: 0 });
    this.#stage.setAttribute("role", "application");
    this.#stage.setAttribute("aria-label", "Map. Arrow keys move your token, or the view if you have none; plus and minus zoom, 0 shows everything, P pings.");
    this.#title.textContent = this.table.name;
    const tools = h("div", { class: "map-tools" },
      this.#find, this.#mapButton("ping", "Ping the middle of the map", () => this.#ping({ x: this.#stage.camera.x, y: this.#stage.camera.y })),
      this.#mapButton("all", "Show the whole map", () => this.#stage.fit()));
    this.#unread = new Unread(live, () => this.#tab === "chat", signal);
    this.#panel.tabIndex = -1;
    fill(this.#tabs, ...[this.#tabButton("map", "Map"), this.#tabButton("turns", "Turns"), this.#tabButton("dice", "Dice"), this.#tabButton("chat", "Chat", this.#unread.badge)]);
    fill(this,
      h("header", { class: "seat-head" }, h("span", { class: "dot", "aria-hidden": "true" }), h("h1", {}, this.#title),
        h("button", { type: "button", class: "button quiet small", on: { click: () => this.#openMenu() } }, h("span", { class: "unseen" }, "Your seat: "), this.name)),
      h("div", { class: "seat-map" }, this.#stage, this.#waiting, tools, this.#state),
      this.#panel, this.#tabs);

    reportScreen(live, null, signal);
    askBeforeLeaving(live, signal);
    follow(this.#stage, live, signal);
    const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ listener) =>
      live.addEventListener(type, (/** @type {CustomEvent} */ event) => listener(event.detail), { signal });
    on("scene", () => this.#showScene());
    on("members", () => this.#showScene());
    on("status", (status) => this.#showStatus(status));
    on("conflict", () => say(this, "Somebody else moved the same thing; yours went back.", "note"));
    on("ended", (end) => this.dispatchEvent(new CustomEvent("over", { detail: end })));
    this.#stage.addEventListener("hold", (e) => this.#ping(/** @type {CustomEvent} */ (e).detail.scene), { signal });
    this.#stage.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    this.#showScene();
    this.#showStatus("connecting");
    this.#choose("map");
    live.connect();
  }

  disconnectedCallback() {
    this.#gone.abort();
    this.#sounding?.abort();
    this.#live.close();
  }

  // What is shown

  #showScene() {
    const { scene, status } = this.#live.state;
    const waits = isEmpty(scene);
    this.#waiting.hidden = !waits;
    const words = scene === null && status !== "live" ? "Coming to the table" : "Waiting for the GM";
    if (waits && this.#waiting.dataset.words !== words) {
      this.#waiting.dataset.words = words;
      fill(this.#waiting, h("h2", {}, words), h("p", {}, words === "Waiting for the GM" ? "The map appears here as soon as there is one on the table. Dice and chat work already." : "This takes a moment."));
    }
    const mine = this.#stage.tokens.filter(({ id }) => this.#stage.mine.has(id));
    if (mine.length > 0 && !this.#wasLed) {
      this.#wasLed = true;
      if (this.#stage.isUntouched) this.#near(mine[0]);
    }
    this.#find.hidden = this.#ownEntry() === undefined;
    this.#find.querySelector("span")?.replaceChildren(mine.length > 0 ? "Show my token" : "Put my token here");
  }

  /** @param {string} status */
  #showStatus(status) {
    this.#lostSince = status === "live" ? 0 : this.#lostSince || Date.now();
    this.#showScene();
    const show = () => {
      const isLost = this.#lostSince !== 0 && Date.now() - this.#lostSince >= PATIENCE;
      this.dataset.is = this.#lostSince === 0 ? "well" : isLost ? "away" : "busy";
      const words = isLost ? "The connection is lost. Trying again; what you do meanwhile is sent later." : this.#lostSince === 0 ? "" : "Connecting";
      if (this.#state.textContent !== words) this.#state.textContent = words;
    };
    show();
    if (status !== "live") setTimeout(show, PATIENCE + 50);
  }

  /** @param {Tab} tab */
  #choose(tab) {
    this.#tab = tab;
    this.dataset.tab = tab;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.#tabs.querySelectorAll('[role="tab"]'))) {
      const isChosen = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    this.#panel.hidden = tab === "map";
    this.#panel.setAttribute("aria-labelledby", `tab-${tab}`);
    if (tab === "map") fill(this.#panel);
    else if (tab === "turns") {
      const turns = Object.assign(new TurnOrder(), { live: this.#live });
      turns.addEventListener("find", (e) => this.#look(/** @type {CustomEvent} */ (e).detail));
      fill(this.#panel, h("h2", { class: "unseen" }, "Turns"), turns);
    } else if (tab === "dice") fill(this.#panel, h("h2", { class: "unseen" }, "Dice"), Object.assign(new DiceTray(), { live: this.#live }));
    else {
      this.#unread.clear();
      fill(this.#panel, h("h2", { class: "unseen" }, "Chat"), Object.assign(new TableChat(), { live: this.#live }));
    }
  }

  /**
   * @param {Tab} tab
   * @param {string} words
   * @param {HTMLElement} [badge]
   */
  #tabButton(tab, words, badge) {
    return h("button", { type: "button", role: "tab", id: `tab-${tab}`, "data-tab": tab, "aria-controls": "panel", on: {
      // The same again brings the map back.
      click: () => this.#choose(this.#tab === tab ? "map" : tab),
      keydown: (/** @type {KeyboardEvent} */ event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        const all = /** @type {HTMLElement[]} */ ([...this.#tabs.children]);
        const next = all[(all.indexOf(/** @type {HTMLElement} */ (event.currentTarget)) + step + all.length) % all.length];
        this.#choose(/** @type {Tab} */ (next.dataset.tab));
        next.focus();
      },
    } }, icon(tab), h("span", {}, words), badge);
  }

  /**
   * @param {Parameters<typeof icon>[0]} name
   * @param {string} label
   * @param {() => void} click
   */
  #mapButton(name, label, click) {
    return h("button", { type: "button", class: "map-button", title: label, on: { click } }, icon(name), h("span", { class: "unseen" }, label));
  }

  // What one does

  /** @param {import("../stage/geometry.js").Point} point */
  #ping({ x, y }) {
    const { you } = this.#live.state;
    this.#live.hint("ping", "", { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10 });
    this.#stage.passing.ping({ x, y, at: performance.now(), name: "", color: colorOf(you?.id ?? "") });
    this.#stage.invalidate("overlay");
    navigator.vibrate?.(25);
    say(this, "Pinged", "spoken");
  }

  /** @param {string} id of an entry */
  #look(id) {
    const token = this.#stage.tokens.find((one) => one.id === id);
    if (!token) return;
    this.#near(token);
    this.#stage.passing.ping({ x: token.x, y: token.y, at: performance.now(), name: "", color: colorOf(id) });
  }

  /** @param {import("../stage/geometry.js").Point} point */
  #near(point) {
    const { camera, grid } = this.#stage;
    if (camera.zoom * grid.cell < NEAR) camera.zoomBy(NEAR / (camera.zoom * grid.cell));
    camera.lookAt(point);
    this.#stage.moved();
  }

  #findOwn() {
    const own = this.#stage.tokens.find(({ id }) => this.#stage.mine.has(String(id)));
    if (own) return this.#look(own.id);
    const entry = this.#ownEntry();
    if (entry === undefined) return;
    const { camera, grid } = this.#stage;
    this.#tool.moveTo({ id: String(entry.id), size: grid.cell }, { x: camera.x, y: camera.y });
  }

  /** One's own in this scene's order: what the GM has given one may be in another scene. */
  #ownEntry() {
    return entriesOf(this.#live.state.scene).find(({ id }) => this.#stage.mine.has(String(id)));
  }

  /** Arrow keys move one's own token by a cell. @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.#stage || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "p" || event.key === "P") return this.#ping({ x: this.#stage.camera.x, y: this.#stage.camera.y });
    const step = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] })[event.key];
    const { scene, grid } = this.#stage;
    const own = this.#stage.tokens.find(({ id }) => this.#stage.mine.has(String(id)));
    if (step === undefined || own === undefined || event.shiftKey || scene === null) return;
    event.preventDefault();
    event.stopPropagation();
    // Where it is going to be, and not where it is drawn on its way there.
    const entry = scene.initiativeOrder.find((/** @type {any} */ one) => String(one.id) === own.id);
    const unit = entry.mapPosition.useGridCoordinates === true ? grid.cell : 1;
    this.#tool.moveTo(own, { x: entry.mapPosition.x * unit + step[0] * grid.cell, y: entry.mapPosition.y * unit + step[1] * grid.cell });
  }

  #openMenu() {
    const mine = [...this.#stage.mine].map((id) => this.#live.state.scene?.initiativeOrder?.find((/** @type {any} */ entry) => String(entry.id) === id)?.name).filter(Boolean);
    const sound = h("input", { type: "checkbox", checked: this.#sounding !== null, on: { change: () => this.#sound(sound.checked) } });
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "seat-title", on: { close: () => dialog.remove() } },
      h("form", { method: "dialog" },
        h("h2", { id: "seat-title" }, this.name),
        h("p", {}, mine.length > 0 ? `You play ${mine.join(" and ")}.` : "The GM has not given you a token yet."),
        h("label", { class: "check" }, sound, h("span", {}, "Play the table's sound on this device")),
        h("div", { class: "dialog-buttons" },
          h("button", { type: "submit", class: "button quiet", on: { click: () => this.#leave() } }, "Leave the table"),
          h("button", { type: "submit", class: "button quiet", on: { click: () => this.#rename() } }, "Another name"),
          h("button", { type: "submit", class: "button" }, "Done"))));
    document.body.append(dialog);
    dialog.showModal();
  }

  async #leave() {
    if (await mayLeave(this.#live) && this.isConnected) this.dispatchEvent(new Event("leave"));
  }

  async #rename() {
    const name = await prompt({ title: "Your name", text: "How the others see you.", label: "Name", yes: "Change", value: this.name, most: LONGEST_NAME });
    if (name === null || name === "" || name === this.name) return;
    if (await mayLeave(this.#live) && this.isConnected) this.dispatchEvent(new CustomEvent("rename", { detail: name }));
  }

  /** @param {boolean} on */
  #sound(on) {
    this.#sounding?.abort();
    this.#sounding = on ? new AbortController() : null;
    if (this.#sounding) new TableSound(this.#live, this.#sounding.signal);
  }
}
