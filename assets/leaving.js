// What waits for the table is not lost without a word when its page goes.

import { confirm } from "./dialogs.js";

/**
 * Has the browser ask before the page is closed or loaded again while something waits.
 *
 * @param {import("./live.js").Live} live
 * @param {AbortSignal} signal ends it
 */
export function askBeforeLeaving(live, signal) {
  addEventListener("beforeunload", (event) => {
    if (live.waiting.length > 0) event.preventDefault();
  }, { signal });
}

/** Whether the table may be left from within the page. @param {import("./live.js").Live} live */
export async function mayLeave(live) {
  if (live.waiting.length === 0) return true;
  return confirm({ title: "Leave what is not sent?", text: "What you did while the connection is lost waits to be sent. It is lost when you go now.", yes: "Go all the same", danger: true });
}
