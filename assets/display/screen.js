import { fill, h, icon } from "../dom.js";
import { Live } from "../live.js";
import { follow } from "../stage/follow.js";
import { isEmpty } from "../stage/model.js";
import { TableStage } from "../stage/stage.js";
import { reportScreen } from "../screen.js";
import { TableSound } from "../table-sound.js";
import { keepAwake } from "../awake.js";
import { aim } from "./aim.js";
import { DisplayMenu } from "./menu.js";

/** How long the screen says which one it is, in milliseconds. */
const IDENTIFIED = 6_000;
/** A broken connection is not worth a word for so long. */
const PATIENCE = 2_500;
/** The pointer and the button go when nobody has moved for so long. */
const IDLE = 4_000;

/** A screen at the table. Set `kept` before inserting it. */
export class DisplayScreen extends HTMLElement {
  /** @type {import("./kept.js").Kept} */ kept;
  #stage = Object.assign(new TableStage(), { isInteractive: false });
  #card = h("section", { class: "display-card" });
  #corner = h("div", { class: "display-corner", role: "status" });
  #curtain = h("div", { class: "display-curtain", hidden: true });
  #label = h("div", { class: "display-label", role: "status" });
  #upright = h("div", { class: "display-upright" }, this.#card, this.#corner, this.#label);
  #menu = new DisplayMenu();
  #gone = new AbortController();
  /** @type {Live | null} */ #live = null;
  /** @type {TableSound | null} */ #sound = null;
  #lostSince = 0;
  /** @type {any} */ #timer = null;
  /** @type {any} */ #idle = null;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#stage.setAttribute("role", "img");
    this.#stage.setAttribute("aria-label", "Map of the table");
    Object.assign(this.#menu, { kept: this.kept });
    this.replaceChildren(this.#stage, this.#curtain, this.#upright, this.#menu);
    this.#stage.addEventListener("extent", () => this.#aim(), { signal });
    const sizes = new ResizeObserver(() => this.#aim());
    sizes.observe(this);
    signal.addEventListener("abort", () => sizes.disconnect());
    this.kept.addEventListener("change", () => this.#aim(), { signal });
    this.#menu.addEventListener("leave", () => this.#live?.close(), { signal });
    for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => this.#sound?.unlock(), { signal });
    for (const type of ["pointermove", "pointerdown", "keydown"]) addEventListener(type, () => this.#somebodyIsHere(), { signal });
    keepAwake(this, signal);
  }

  disconnectedCallback() {
    this.#gone.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#idle);
  }

  /**
   * Shows the number with which the GM lets this screen in.
   *
   * @param {{ number: string, trouble: string, why: string }} state
   */
  showPairing({ number, trouble, why }) {
    this.dataset.state = "pairing";
    this.#showBlank(false);
    this.#turn(0);
    const print = [number, trouble, why].join("\n");
    // Said aloud once, and not every two seconds.
    if (this.#card.dataset.print === print) return;
    this.#card.dataset.print = print;
    fill(this.#card,
      h("p", { class: "display-brand" }, "Tablekeep"),
      why !== "" && h("p", { class: "display-why" }, why),
      h("h2", {}, "Pair this screen"),
      number === ""
        ? h("p", { class: "display-number waiting" }, "Asking for a number")
        : h("p", { class: "display-number", "aria-label": [...number].join(" ") }, h("span", {}, number.slice(0, 3)), h("span", {}, number.slice(3))),
      h("p", { class: "display-how" }, "On the GM's page, open ", h("strong", {}, "Screens"), " and confirm this number."),
      h("p", { class: "display-soft" }, `This screen is at ${location.host}. It shows the table as soon as the GM has let it in, and remembers it.`),
      trouble !== "" && h("p", { class: "display-trouble", role: "alert" }, trouble),
    );
  }

  /**
   * Shows a table as long as it is let in.
   *
   * @param {import("./kept.js").Table} table
   * @returns {Promise<{ code: number }>} why not any more
   */
  show(table) {
    const gone = new AbortController();
    const { signal } = gone;
    const live = new Live({ table: table.id, name: "Screen", role: "display" });
    const sound = new TableSound(live, signal);
    [this.#live, this.#sound] = [live, sound];
    this.#card.dataset.print = "";
    reportScreen(live, sound, signal);
    follow(this.#stage, live, signal);
    const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ listener) =>
      live.addEventListener(type, (/** @type {CustomEvent} */ event) => listener(event.detail), { signal });
    on("scene", () => this.#showScene(table));
    on("display", (told) => {
      if (told?.action === "identify") this.#identify();
      this.#showState();
    });
    on("status", (status) => {
      this.#lostSince = status === "live" ? 0 : this.#lostSince || Date.now();
      this.#showScene(table);
      this.#showState();
      this.#showCorner();
      if (status !== "live") setTimeout(() => this.#showCorner(), PATIENCE + 50);
    });
    for (const type of ["change", "trouble"]) sound.addEventListener(type, () => this.#showCorner(), { signal });
    this.#lostSince = Date.now();
    this.#showScene(table);
    setTimeout(() => this.#showCorner(), PATIENCE + 50);
    return new Promise((resolve) => {
      on("ended", (end) => {
        gone.abort();
        [this.#live, this.#sound] = [null, null];
        this.#stage.scene = null;
        this.#corner.replaceChildren();
        this.#label.replaceChildren();
        resolve(end);
      });
      live.connect();
    });
  }

  /** @param {import("./kept.js").Table} table */
  #showScene(table) {
    const scene = this.#live?.state.scene ?? null;
    const waits = isEmpty(scene);
    this.dataset.state = waits ? "waiting" : "scene";
    if (waits) {
      const known = scene !== null;
      this.#card.replaceChildren(
        h("p", { class: "display-brand" }, "Tablekeep"),
        h("h2", {}, known ? "Waiting for the GM" : "Coming to the table"),
        h("p", { class: "display-how" }, known ? "The map appears here as soon as there is one on the table." : "This takes a moment."),
        h("p", { class: "display-soft" }, table.name),
      );
    }
    this.#aim();
  }

  get #state() {
    const { displays, you } = this.#live?.state ?? {};
    return /** @type {{ blank?: boolean, rotation?: number, view?: import("../stage/geometry.js").Rect | null, muted?: boolean, name?: string | null }} */ (
      (you && displays?.[you.id]) ?? {});
  }

  #showState() {
    const { blank = false, muted = false } = this.#state;
    this.#showBlank(blank);
    if (this.#sound) this.#sound.muted = muted;
    this.#aim();
  }

  /** @param {boolean} isBlank */
  #showBlank(isBlank) {
    this.#curtain.hidden = !isBlank;
    this.classList.toggle("blank", isBlank);
  }

  #aim() {
    const { rotation = 0 } = this.#state;
    this.#turn(rotation);
    const { extent, grid } = this.#stage;
    aim(this.#stage.camera, this.#state, { extent, cell: grid.cell, inch: this.kept.isTrueSize ? this.kept.inch : null });
    this.#stage.moved();
  }

  /** Words stand as the picture does. @param {number} degrees */
  #turn(degrees) {
    const quarter = Math.round(degrees / 90) * 90;
    const isAcross = Math.abs(quarter % 180) === 90;
    const [width, height] = isAcross ? [this.clientHeight, this.clientWidth] : [this.clientWidth, this.clientHeight];
    Object.assign(this.#upright.style, { width: `${width}px`, height: `${height}px`, rotate: `${quarter}deg` });
  }

  #identify() {
    const name = this.#state.name ?? "This screen";
    this.#label.replaceChildren(h("p", {}, h("strong", {}, name), h("span", {}, `${innerWidth} × ${innerHeight}`)));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#label.replaceChildren(), IDENTIFIED);
  }

  #showCorner() {
    const isLost = this.#lostSince !== 0 && Date.now() - this.#lostSince >= PATIENCE;
    const isSilent = this.#sound?.state === "blocked";
    const troubles = [...(this.#sound?.troubles.values() ?? [])];
    const [isStrange, isMute] = [troubles.includes("format"), troubles.includes("silent")];
    const print = `${isLost} ${isSilent} ${isStrange} ${isMute}`;
    if (this.#corner.dataset.print === print) return;
    this.#corner.dataset.print = print;
    this.#corner.replaceChildren(
      ...(isLost ? [h("p", { class: "lost" }, "The connection is lost. Trying again.")] : []),
      ...(isSilent ? [h("p", {}, icon("silent"), "Tap the screen once for sound")] : []),
      ...(isStrange ? [h("p", {}, icon("silent"), "This screen cannot play the sound: its browser does not know the format")] : []),
      ...(isMute ? [h("p", {}, icon("silent"), "This screen cannot play the sound: its browser finds no loudspeaker")] : []),
    );
  }

  #somebodyIsHere() {
    this.classList.add("attended");
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (!this.#menu.isOpen) this.classList.remove("attended");
    }, IDLE);
  }
}
