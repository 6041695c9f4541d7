import { ApiError, askToPair } from "../api.js";

/** How often to ask whether the GM has confirmed, and after how long to try again in vain, in milliseconds. */
const EVERY = 2_000;
const AGAIN = 4_000;

/**
 * Asks for a number, shows it, and waits until the GM has confirmed it.
 *
 * @param {(state: { number: string, trouble: string }) => void} show
 * @param {(ms: number) => Promise<void>} [wait]
 * @returns {Promise<import("./kept.js").Table>}
 */
export async function pair(show, wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))) {
  let number = "";
  show({ number, trouble: "" });
  for (;;) {
    try {
      const answer = await askToPair();
      if ("id" in answer) return answer;
      number = answer.number;
      show({ number, trouble: "" });
      await wait(EVERY);
    } catch (error) {
      // A number that the server has forgotten lets nobody in; it is not shown either.
      if (error instanceof ApiError && error.status !== 0) number = "";
      show({ number, trouble: `${/** @type {Error} */ (error).message} Trying again.` });
      await wait(AGAIN);
    }
  }
}
