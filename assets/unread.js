// How much was said and rolled while nobody looked.

import { fill, h } from "./dom.js";

/** Counts lines of others in a `badge`, until they are read. */
export class Unread {
  badge = h("span", { class: "count", hidden: true });
  #count = 0;
  #last = -1;
  /** Whether it is known what was said before one came. */ #began = false;

  /**
   * @param {import("./live.js").Live} live
   * @param {() => boolean} isRead whether new lines are seen as they come
   * @param {AbortSignal} signal ends it
   */
  constructor(live, isRead, signal) {
    this.#began = live.state.status === "live";
    live.addEventListener("status", () => { this.#began ||= live.state.status === "live"; }, { signal });
    // What is said from now on has smaller numbers.
    live.addEventListener("reset", () => {
      this.#last = -1;
      this.clear();
    }, { signal });
    for (const type of ["chat", "rolled"]) {
      live.addEventListener(type, (/** @type {CustomEvent} */ { detail: line }) => {
        // What was said before one came is no news; what was said while one was cut off is.
        const isNews = this.#began && line.chat_seq > this.#last && line.from !== live.state.you?.id;
        this.#last = Math.max(this.#last, line.chat_seq);
        if (isNews && !isRead()) this.#show(this.#count + 1);
      }, { signal });
    }
  }

  /** What there is has been read. */
  clear() {
    this.#show(0);
  }

  /** @param {number} count */
  #show(count) {
    this.#count = count;
    this.badge.hidden = count === 0;
    fill(this.badge, ...(count === 0 ? [] : [String(count), h("span", { class: "unseen" }, " new")]));
  }
}
