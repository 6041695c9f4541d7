import { pictureType } from "../chat/files.js";
import { h } from "../dom.js";
import { size } from "../format.js";

/** How many lines stay on the page. */
const MAX_SHOWN = 2_000;
/** So near to the end counts as reading the newest. */
const AT_END = 80;
/** Messages of one member so close together stand under one name. */
const TOGETHER = 5 * 60_000;

/** What was said, and what waits to be sent. Set `room` before inserting it. */
export class ChatLog extends HTMLElement {
  /** @type {import("../chat/room.js").ChatRoom} */ room;
  #gone = new AbortController();
  #lines = h("ol", { class: "lines" });
  #waiting = h("ol", { class: "lines waiting-lines", "aria-label": "Not sent yet", "aria-live": "off" });
  #locked = h("p", { class: "line notice-line", hidden: true });
  #newer = h("button", { type: "button", class: "button newer", hidden: true, on: { click: () => this.#toEnd() } }, "New messages");
  #scroll = h("div", { class: "log-scroll", role: "log", tabIndex: 0, "aria-label": "Messages", "aria-live": "polite" });
  /** @type {import("../chat/room.js").Line | null} */ #last = null;
  /** @type {Map<Element, string>} */ #pictures = new Map();
  /** Whether the newest is being read. */ #follows = true;
  /** Pictures are fetched one after the other. */ #fetching = Promise.resolve();

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.#scroll.replaceChildren(this.#lines, this.#locked, this.#waiting);
    this.replaceChildren(this.#scroll, this.#newer);
    this.room.addEventListener("line", (e) => this.#keepEnd(() => this.#append(/** @type {CustomEvent} */ (e).detail)), { signal });
    this.room.addEventListener("change", () => this.#keepEnd(() => this.#showWaiting()), { signal });
    this.#scroll.addEventListener("scroll", () => {
      this.#follows = this.#atEnd();
      if (this.#follows) this.#newer.hidden = true;
    }, { signal, passive: true });
    // A phone's keyboard and the panels above take room from the log.
    const sizes = new ResizeObserver(() => this.#follows && this.#toEnd());
    sizes.observe(this.#scroll);
    signal.addEventListener("abort", () => sizes.disconnect());
    for (const line of this.room.lines) this.#append(line);
    this.#showWaiting();
    this.#toEnd();
  }

  disconnectedCallback() {
    this.#gone.abort();
    for (const url of this.#pictures.values()) URL.revokeObjectURL(url);
    this.#pictures.clear();
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < AT_END;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#newer.hidden = true;
  }

  /** Whoever reads the newest goes on doing so; whoever reads older things is not torn away. @param {() => unknown} change */
  #keepEnd(change) {
    const was = this.#atEnd();
    const before = this.#lines.childElementCount;
    change();
    if (was) this.#toEnd();
    else if (this.#lines.childElementCount > before) this.#newer.hidden = false;
  }

  /** @param {import("../chat/room.js").Line} line */
  #append(line) {
    if (line.kind === "message") this.#lines.append(this.#message(line));
    else this.#lines.append(h("li", { class: `line notice-line${line.kind === "warning" ? " warning" : ""}` }, line.text));
    this.#last = line;
    while (this.#lines.childElementCount > MAX_SHOWN) {
      const oldest = /** @type {Element} */ (this.#lines.firstElementChild);
      for (const picture of oldest.querySelectorAll("img")) {
        URL.revokeObjectURL(this.#pictures.get(picture) ?? "");
        this.#pictures.delete(picture);
      }
      oldest.remove();
    }
  }

  /** @param {import("../chat/room.js").Line} line */
  #message(line) {
    const last = this.#last;
    const more = last?.kind === "message" && last.from === line.from && last.own === line.own && line.at.getTime() - last.at.getTime() < TOGETHER;
    const at = h("time", { dateTime: line.at.toISOString(), title: line.at.toLocaleString() }, line.at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    return h("li", { class: `line message${line.own ? " own" : ""}${more ? " more" : ""}` },
      h("p", { class: "line-head" }, h("strong", {}, line.from), line.own && h("span", { class: "soft" }, " (you)"), " ", at),
      line.file ? this.#file(line, line.file) : h("p", { class: "line-text" }, line.text));
  }

  /**
   * @param {import("../chat/room.js").Line} line
   * @param {import("../chat/files.js").FileCard} card
   */
  #file(line, card) {
    const picture = card.mime_type.startsWith("image/");
    const state = h("p", { class: "soft", role: "status" });
    const button = h("button", { type: "button", class: "button quiet", on: { click: () => open() } },
      `${picture ? "Show" : "Fetch"} ${card.name}${card.size > 0 ? ` (${size(card.size)})` : ""}`);
    const box = h("div", { class: "line-file" }, button, state);
    const open = () => {
      button.disabled = true;
      state.textContent = "Fetching";
      this.#fetching = this.#fetching.then(async () => {
        try {
          const bytes = await this.room.fetchFile(card);
          this.#keepEnd(() => box.replaceChildren(this.#opened(card, bytes)));
        } catch (error) {
          state.textContent = `${card.name} did not come: ${/** @type {Error} */ (error).message}`;
          button.disabled = false;
        }
      });
    };
    // Pictures of now show themselves; those from before a reload could be many.
    if (picture && line.live) open();
    return box;
  }

  /**
   * @param {import("../chat/files.js").FileCard} card
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #opened(card, bytes) {
    // The browser is told a type that shows nothing but a picture; any other file is only saved.
    const type = pictureType(bytes) ?? "application/octet-stream";
    const url = URL.createObjectURL(new Blob([/** @type {any} */ (bytes)], { type }));
    const save = h("a", { class: "button quiet", href: url, download: card.name }, `Save ${card.name}`);
    if (!type.startsWith("image/")) {
      this.#pictures.set(save, url);
      return save;
    }
    const image = h("img", { src: url, alt: card.name, on: {
      load: () => this.#atEndSoon(),
      error: () => image.replaceWith(h("p", { class: "soft" }, `${card.name} is not a picture that this browser can show.`)),
    } });
    this.#pictures.set(image, url);
    return h("figure", {}, image, h("figcaption", {}, save));
  }

  /** A picture has got its height: the end has moved. */
  #atEndSoon() {
    if (this.#newer.hidden) this.#toEnd();
  }

  #showWaiting() {
    const { room } = this;
    this.#waiting.hidden = room.outgoing.items.length === 0;
    const isOver = room.phase === "over";
    this.#waiting.replaceChildren(...room.outgoing.items.map((item) => {
      const unsent = item.sealed === null && !isOver;
      return h("li", { class: "line message own waiting-line" },
        h("p", { class: "line-head" }, isOver ? "Was not sent" : room.phase === "in" && room.hasKey ? "Sending" : "Is sent later"),
        h("p", { class: "line-text" }, item.file ? `File: ${item.text}` : item.text),
        unsent && h("button", { type: "button", class: "button quiet small", "aria-label": `Do not send: ${item.text}`, on: { click: () => room.withdraw(item) } }, "Do not send"));
    }));
    const { locked } = room;
    this.#locked.hidden = locked === 0;
    this.#locked.textContent = locked === 0 ? "" : `${locked === 1 ? "A message waits" : `${locked} messages wait`} for the room's key.`;
  }
}
