import { LONGEST_NAME } from "../api.js";
import { confirm, prompt } from "../dialogs.js";
import { Nodes, fill, h } from "../dom.js";
import { need, style } from "../later.js";
import { OPEN, confirmNewCode } from "./code.js";

/** How often it is asked who waits, in milliseconds. */
const EVERY = 2_500;

/** Who is at the table, on what, and who wants to be. Set `table` and `api` before inserting it. Event: `waiting` with how many. */
export class PeoplePanel extends HTMLElement {
  /** @type {import("./table.js").GmTable} */ table;
  /** @type {typeof import("../api.js")} */ api;
  /** @type {import("./frames.js").Frames} */ frames;
  #gone = new AbortController();
  #waiting = h("ul", { class: "people" });
  #waitingPart = h("section", { class: "waiting-screens", hidden: true, "aria-labelledby": "waiting-title" }, h("h3", { id: "waiting-title" }, "A screen wants in"), this.#waiting);
  #members = h("ul", { class: "people" });
  #none = h("p", { class: "soft" }, "Nobody else is here yet.");
  #code = h("output", { class: "table-code" });
  /** Whether the way in is shown. */ #isShowing = false;
  #waitingNodes = new Nodes();
  #nodes = new Nodes();

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const { live } = this.table;
    fill(this,
      this.#waitingPart,
      h("section", { "aria-labelledby": "in-title" }, h("h3", { id: "in-title" }, "Come in"),
        h("button", { type: "button", class: "button", on: { click: () => this.comeIn() } }, "Show address and QR code"),
        h("p", { class: "code-line" }, h("span", {}, "Code"), this.#code, h("button", { type: "button", class: "button quiet small", on: { click: () => this.#renew() } }, "New code")),
        h("p", { class: "soft" }, "A TV opens ", h("strong", {}, "/display"), " at the same address and shows a number; it appears here, and one click lets it in.")),
      h("section", { "aria-labelledby": "here-title" }, h("h3", { id: "here-title" }, "At the table"), this.#none, this.#members));
    for (const type of ["members", "display", "status"]) live.addEventListener(type, () => this.#show(), { signal });
    this.#show();
    this.#askCode();
    const timer = setInterval(() => this.#askWaiting(), EVERY);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#askWaiting();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** Shows how others come to the table. */
  async comeIn() {
    if (this.#isShowing) return;
    this.#isShowing = true;
    try {
      const way = await need(this, "The way in", async () => (await Promise.all([import("./come-in.js"), style("come-in.css")]))[0]);
      await way?.comeIn(this.api);
      await this.#askCode();
    } finally {
      this.#isShowing = false;
    }
  }

  /** @returns {Promise<boolean>} whether anybody is asked for it */
  async #askCode() {
    try {
      const { code, needs_code } = await this.api.invitation();
      this.#code.textContent = code;
      return needs_code;
    } catch (error) {
      this.#code.textContent = "unknown";
      return true;
    }
  }

  async #renew() {
    if (!(await confirmNewCode(await this.#askCode()))) return;
    await this.api.renewCode().catch((error) => this.table.trouble(error));
    await this.#askCode();
  }

  async #askWaiting() {
    if (document.visibilityState === "hidden") return;
    try {
      const waiting = await this.api.waitingScreens();
      this.#waitingPart.hidden = waiting.length === 0;
      this.#waitingNodes.show(this.#waiting, waiting.map(({ number }) => this.#waitingNodes.get(number, number, () => h("li", { class: "person" },
        h("span", { class: "person-words" }, h("strong", { class: "number" }, number), h("small", {}, "Does the screen in the room show this?")),
        h("button", { type: "button", class: "button", "aria-label": `Let in the screen that shows ${number}`, on: { click: () => this.#letIn(number) } }, "Let in")))));
      this.dispatchEvent(new CustomEvent("waiting", { detail: waiting.length }));
    } catch {
      // The connection's state says enough.
    }
  }

  /** @param {string} number */
  async #letIn(number) {
    try {
      await this.api.confirmScreen(number);
      this.table.say("The screen is let in; it shows the table in a moment.");
    } catch (error) {
      this.table.trouble(error);
    }
    await this.#askWaiting();
  }

  #show() {
    const { members, you, displays } = this.table.live.state;
    const others = /** @type {any[]} */ (members).filter(({ id }) => id !== you?.id);
    this.#none.hidden = others.length > 0;
    this.#nodes.show(this.#members, others.map((member) => this.#nodes.get(member.id, [member, displays[member.id]], () => this.#member(member, displays[member.id] ?? {}))));
  }

  /** @param {any} member @param {any} state */
  #member(member, state) {
    const { table } = this;
    const { id, role } = member;
    const device = member.device ?? {};
    const isScreen = role === "display";
    const name = isScreen ? state.name ?? member.name : member.name;
    const tell = (/** @type {any} */ action) => table.live.display({ target: id, ...action }).catch((/** @type {Error} */ error) => table.trouble(error));
    const button = (/** @type {string} */ words, /** @type {() => void} */ click, /** @type {Record<string, any>} */ props = {}) =>
      h("button", { type: "button", class: "button quiet small", "aria-label": `${words}: ${name}`, ...props, on: { click } }, words);
    const what = { display: "Screen", player: "Player", gm: "GM" }[/** @type {string} */ (role)] ?? role;
    const size = Number.isFinite(device.width) ? `${device.width} × ${device.height}` : "";
    const { words, is } = linkOf(device.rtt);
    return h("li", { class: "person", "data-is": is },
      h("span", { class: "dot", "aria-hidden": "true" }),
      h("span", { class: "person-words" }, h("strong", {}, name),
        h("small", {}, [what, size, words, device.sound === "blocked" && "needs a tap for sound", state.blank && "blank"].filter(Boolean).join(" · "))),
      h("div", { class: "person-tools", role: "group", "aria-label": `For ${name}` },
        isScreen && button(state.blank ? "Unblank" : "Blank", () => tell({ action: state.blank ? "unblank" : "blank" })),
        isScreen && button("Rotate", () => tell({ action: "rotate", rotation: ((state.rotation ?? 0) + 90) % 360 })),
        isScreen && button("Identify", () => tell({ action: "identify" })),
        isScreen && (state.view
          ? button("Show all", () => tell({ action: "view" }))
          : button("Show my view", () => {
              const { x, y, width, height } = table.stage.camera.seen();
              tell({ action: "view", view: { x, y, width, height } });
            })),
        isScreen && button("Frame", () => {
          table.choose(this.frames.hit(id));
          table.stage.focus({ preventScroll: true });
        }, { title: "Choose what it shows, on the table" }),
        isScreen && button("Name", async () => {
          const said = await prompt({ title: "Name of this screen", text: "So that you can tell your screens apart.", label: "Name", yes: "Name it", value: name, most: LONGEST_NAME });
          if (said) tell({ action: "name", name: said });
        }),
        button("Remove", () => this.#kick(id, name, isScreen))));
  }

  /** @param {string} id @param {string} name @param {boolean} isScreen */
  async #kick(id, name, isScreen) {
    const text = isScreen ? "It shows a number again, and comes back when you let it in."
      : await this.#askCode() ? "Who knows the table's code can come in again; give it a new code to keep them out."
      : `${OPEN} Whoever is removed can come in again; to keep people out, start the server with --players code and give the table a new code.`;
    const sure = await confirm({ title: `Remove ${name}?`, text, yes: "Remove", danger: true });
    if (sure) this.table.live.kick(id).catch((/** @type {Error} */ error) => this.table.trouble(error));
  }
}

/** @param {unknown} rtt milliseconds there and back */
function linkOf(rtt) {
  if (typeof rtt !== "number") return { words: "", is: "well" };
  if (rtt < 80) return { words: `good link, ${Math.round(rtt)} ms`, is: "well" };
  if (rtt < 250) return { words: `fair link, ${Math.round(rtt)} ms`, is: "busy" };
  return { words: `poor link, ${Math.round(rtt)} ms`, is: "away" };
}
