// What is not seen at first is loaded when it is first wanted: the page itself must be light.

import { fill, h, say } from "./dom.js";

/** Who waits for less does not need to read that it is loading, in milliseconds. */
const PATIENCE = 400;

/**
 * Fills a place when it is first wanted. While that takes long, and when it does not work, the place says so;
 * asking again tries again.
 *
 * @template {HTMLElement} T
 * @param {HTMLElement} place
 * @param {string} what it is, as a sentence begins with it
 * @param {() => Promise<T>} load imports what is needed and makes the element
 * @returns {() => Promise<T | null>} wants it; null: it could not be loaded
 */
export function later(place, what, load) {
  /** @type {Promise<T | null> | null} */ let wanted = null;
  async function attempt() {
    const timer = setTimeout(() => place.hasChildNodes() || fill(place, h("p", { class: "empty-words", role: "status" }, "Loading")), PATIENCE);
    const element = await need(place, what, load);
    clearTimeout(timer);
    if (element === null) {
      wanted = null;
      // One that was pressed stays under the finger.
      if (!place.querySelector(".not-loaded")) fill(place, h("div", { class: "empty-words not-loaded" }, h("strong", {}, `${what} could not be loaded`), "The server does not answer.",
        h("button", { type: "button", class: "button small", on: { click: () => want() } }, "Try again")));
      return null;
    }
    const hadFocus = place.contains(document.activeElement) && document.activeElement !== place;
    fill(place, element);
    if (hadFocus) {
      if (!place.hasAttribute("tabindex")) place.tabIndex = -1;
      place.focus();
    }
    return element;
  }
  const want = () => (wanted ??= attempt());
  return want;
}

/**
 * Loads what something needs that is done now; when it cannot be loaded, that is said.
 *
 * @template T
 * @param {Element} from
 * @param {string} what it is, as a sentence begins with it
 * @param {() => Promise<T>} load
 * @returns {Promise<T | null>}
 */
export async function need(from, what, load) {
  try {
    return await load();
  } catch (error) {
    console.error(error);
    say(from, `${what} could not be loaded: the server does not answer. Try again in a moment.`, "error");
    return null;
  }
}

/** Makes elements known that are not yet. @param {Record<string, CustomElementConstructor>} elements by their names */
export function define(elements) {
  for (const [name, element] of Object.entries(elements)) if (!customElements.get(name)) customElements.define(name, element);
}

/** @type {Map<string, Promise<void>>} */
const styles = new Map();

/** Loads a style sheet, once. @param {string} name of the file below `styles/` @returns {Promise<void>} when it counts */
export function style(name) {
  let loaded = styles.get(name);
  if (!loaded) {
    loaded = new Promise((resolve, reject) => {
      const link = h("link", { rel: "stylesheet", href: new URL(`./styles/${name}`, import.meta.url).href, on: {
        load: () => resolve(),
        error: () => {
          link.remove();
          styles.delete(name);
          reject(new Error(`${name} was not loaded`));
        },
      } });
      document.head.append(link);
    });
    styles.set(name, loaded);
  }
  return loaded;
}
