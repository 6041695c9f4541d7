import { fill, h, say } from "../dom.js";
import { diceNodes } from "./dice-tray.js";

/** Lines that stay on the page, and how near to the end counts as reading the newest, in CSS pixels. */
const SHOWN = 300;
const AT_END = 60;

/** What is said and rolled at the table, and where one says something. Set `live` before inserting it. */
export class TableChat extends HTMLElement {
  /** @type {import("../live.js").Live} */ live;
  #gone = new AbortController();
  #lines = h("ol", { class: "table-lines" });
  #waiting = h("ol", { class: "table-lines waiting-lines", "aria-label": "Not sent yet", "aria-live": "off", hidden: true });
  #scroll = h("div", { class: "table-log", role: "log", tabIndex: 0, "aria-label": "What was said and rolled" }, this.#lines, this.#waiting);
  #text = h("textarea", { rows: 1, "aria-label": "Message", placeholder: "Say something", enterKeyHint: "send" });
  #to = h("select", { "aria-label": "To whom" });
  #shown = "";

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    for (const type of ["chat", "rolled", "reset"]) this.live.addEventListener(type, () => this.#show(), { signal });
    for (const type of ["waiting", "status"]) this.live.addEventListener(type, () => this.#keepEnd(() => this.#showWaiting()), { signal });
    this.live.addEventListener("members", () => this.#showMembers(), { signal });
    const form = h("form", { class: "table-composer", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    } } }, h("label", { class: "to" }, h("span", {}, "To"), this.#to), this.#text, h("button", { type: "submit", class: "button" }, "Send"));
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    }, { signal });
    fill(this, this.#scroll, form);
    this.#showMembers();
    this.#show();
    this.#showWaiting();
    // A phone's keyboard takes room from the log.
    const sizes = new ResizeObserver(() => this.#toEnd());
    sizes.observe(this.#scroll);
    signal.addEventListener("abort", () => sizes.disconnect());
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  #showMembers() {
    const { members, you, limits } = this.live.state;
    if (Number.isInteger(limits.chat_chars)) this.#text.maxLength = limits.chat_chars;
    const others = members.filter(({ id, role }) => id !== you?.id && role === "player");
    const chosen = this.#to.value;
    const options = [["", "Everybody"], ...(you?.role === "gm" ? [] : [["gm", "The GM only"]]), ...others.map(({ id, name }) => [id, `${name} only`])];
    const print = JSON.stringify(options);
    if (this.#to.dataset.print !== print) {
      this.#to.dataset.print = print;
      this.#to.replaceChildren(...options.map(([value, words]) => h("option", { value }, words)));
      // Whoever one whispers with has left: better to say nothing than to say it to all.
      if (options.some(([value]) => value === chosen)) this.#to.value = chosen;
      else if (chosen !== "") say(this, "Who you were whispering with has left. You write to everybody now.", "note");
    }
    this.#show();
  }

  #show() {
    const { chat, names } = this.live.state;
    const lines = chat.slice(-SHOWN);
    const print = `${lines.at(0)?.chat_seq} ${lines.at(-1)?.chat_seq} ${lines.length} ${[...names].join()}`;
    if (print === this.#shown) return;
    this.#shown = print;
    this.#keepEnd(() => {
      if (lines.length === 0) fill(this.#lines, h("li", { class: "empty-words" }, h("strong", {}, "Nothing said yet"), "Write to everybody, or whisper to one."));
      else fill(this.#lines, ...lines.map((line) => this.#line(line)));
    });
  }

  /** What one has said or rolled and the server has not heard, or not answered. */
  #showWaiting() {
    const { waiting, state } = this.live;
    // With a connection the answer is there at once.
    const lines = state.status === "live" ? [] : waiting.filter(({ type }) => type === "chat" || type === "roll");
    this.#waiting.hidden = lines.length === 0;
    fill(this.#waiting, ...lines.map(({ text, expr, to }) => h("li", { class: `table-line own waiting-line${to === undefined ? "" : " whisper"}` },
      h("p", { class: "table-line-head" }, h("strong", {}, "You"), h("em", {}, [this.#whisperOf(to), "is sent later"].filter(Boolean).join(" · "))),
      h("p", { class: "table-line-text" }, expr === undefined ? text : `Roll ${expr}`))));
  }

  /** Whoever reads the newest goes on doing so. @param {() => void} change */
  #keepEnd(change) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    const follows = scrollHeight - scrollTop - clientHeight < AT_END;
    change();
    if (follows) this.#toEnd();
  }

  /** To whom alone one has said something. @param {any} to */
  #whisperOf(to) {
    if (to === undefined) return "";
    return `to ${to === "gm" ? "the GM" : this.#nameOf(to)} only`;
  }

  /** @param {import("../live/state.js").Line} line */
  #line({ from, at, to, text, expr, dice, total }) {
    const { you } = this.live.state;
    const isOwn = from === you?.id;
    const when = Number.isFinite(at) ? new Date(Number(at)) : null;
    const whisper = to === undefined ? "" : isOwn ? this.#whisperOf(to) : "to you only";
    return h("li", { class: `table-line${isOwn ? " own" : ""}${to === undefined ? "" : " whisper"}` },
      h("p", { class: "table-line-head" }, h("strong", {}, isOwn ? "You" : this.#nameOf(from)), whisper !== "" && h("em", {}, whisper),
        when && h("time", { dateTime: when.toISOString() }, when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }))),
      expr === undefined
        ? h("p", { class: "table-line-text" }, String(text ?? ""))
        : h("p", { class: "table-line-roll" }, h("strong", {}, String(total)), h("span", {}, `${expr}: `, ...diceNodes(dice))));
  }

  /** @param {string} id */
  #nameOf(id) {
    return this.live.state.names.get(id) ?? "Somebody who has left";
  }

  async #send() {
    const text = this.#text.value.trim();
    if (text === "") return;
    const to = this.#to.value || undefined;
    this.#text.value = "";
    this.#toEnd();
    try {
      await this.live.chat(text, to);
      say(this, "", "done");
    } catch (error) {
      // What was not said comes back, unless something else is being written already.
      if (this.#text.value === "") this.#text.value = text;
      say(this, `Not said: ${/** @type {Error} */ (error).message}`, "error");
    }
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}
