/**
 * Makes an element. Names in `props` that the element has as a property are set as such, others
 * become attributes; `on` holds listeners. Strings among the children become text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any> & { on?: Record<string, (event: any) => void> }} [props]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (name === "class") {
      element.className = value;
    } else if (name in element && !name.includes("-")) {
      /** @type {any} */ (element)[name] = value;
    } else if (value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Puts these in place of everything in an element; what is false or nothing is left out.
 *
 * @param {Element} element
 * @param {...(Node | string | null | undefined | false)} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  play: "M7 4.5v15l13-7.5z",
  pause: "M6 4.5h4.5v15H6zM13.5 4.5H18v15h-4.5z",
  close: "m5 6.5 1.5-1.5L12 10.5 17.5 5 19 6.5 13.5 12l5.5 5.5-1.5 1.5-5.5-5.5L6.5 19 5 17.5l5.5-5.5z",
  delete: "M9 3h6l1 2h4v2H4V5h4zM6 8.5h12L17 21H7z",
  rename: "m4 16.5 10.5-10.5 3.5 3.5L7.5 20H4zM15.8 4.7 17.5 3 21 6.5l-1.7 1.7z",
  upload: "M11 16V7.5L7.5 11 6 9.5 12 3.5l6 6-1.5 1.5L13 7.5V16zM4 18h16v2.5H4z",
  back: "m15 5 1.5 1.5L11 12l5.5 5.5L15 19l-7-7z",
  next: "m9 5-1.5 1.5L13 12l-5.5 5.5L9 19l7-7z",
  map: "m9 4 6 2.2L20.5 4v14L15 20.2 9 18l-5.5 2.2v-14zm.8 2.2v10.3l4.4 1.6V7.8z",
  turns: "M4 5h3v3H4zm5 .5h11v2H9zM4 10.5h3v3H4zm5 .5h11v2H9zM4 16h3v3H4zm5 .5h11v2H9z",
  dice: "m12 2 8.7 5v10L12 22l-8.7-5V7zm0 2.3L6.9 7.2 12 15.6l5.1-8.4zM5.3 8.9v5.8l4.6 1.7zm13.4 0-4.6 7.5 4.6-1.7zM12 17.6l-3.6.3 3.6 2.1 3.6-2.1z",
  chat: "M4 4.5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-8.5L7 20.5v-4H4a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1zM6.5 8v1.6h11V8zm0 3.4V13h7.5v-1.6z",
  all: "M4 4h6v2H6v4H4zm10 0h6v6h-2V6h-4zM4 14h2v4h4v2H4zm14 0h2v6h-6v-2h4z",
  token: "M12 3a4 4 0 0 1 4 4 4 4 0 0 1-2 3.5l1.6 6.5H17a1 1 0 0 1 1 1v3H6v-3a1 1 0 0 1 1-1h1.4L10 10.5A4 4 0 0 1 8 7a4 4 0 0 1 4-4z",
  find: "M11 2h2v3.1a7 7 0 0 1 5.9 5.9H22v2h-3.1a7 7 0 0 1-5.9 5.9V22h-2v-3.1A7 7 0 0 1 5.1 13H2v-2h3.1A7 7 0 0 1 11 5.1zm1 5a5 5 0 1 0 0 10 5 5 0 0 0 0-10zm0 3a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  ping: "M12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zm0-3.7a6.2 6.2 0 1 1 0 12.4 6.2 6.2 0 0 1 0-12.4zm0 1.7a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20zm0 1.7a8.3 8.3 0 1 0 0 16.6 8.3 8.3 0 0 0 0-16.6z",
  settings: "M4 6h9.2a3 3 0 0 1 5.6 0H20v2h-1.2a3 3 0 0 1-5.6 0H4zm0 10h1.2a3 3 0 0 1 5.6 0H20v2h-9.2a3 3 0 0 1-5.6 0H4z",
  silent: "M4 9h4l5-4.5v15L8 15H4zm11.6.4L17 8l2 2 2-2 1.4 1.4-2 2 2 2L21 14.8l-2-2-2 2-1.4-1.4 2-2z",
  repeat: "M7 7h9V4l5 4.5L16 13v-3H9v2H6V8a1 1 0 0 1 1-1zm10 10H8v3l-5-4.5L8 11v3h7v-2h3v4a1 1 0 0 1-1 1z",
};

/**
 * A small picture for a button; the button itself carries the name.
 *
 * @param {keyof typeof SHAPES} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that shows a picture only.
 *
 * @param {keyof typeof SHAPES} name
 * @param {string} label what it does, for the screen reader and as a tip
 * @param {(event: MouseEvent) => void} click
 */
export function iconButton(name, label, click) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click } }, icon(name));
}

/**
 * Keeps the nodes of a list from one rendering to the next, so that pictures do not load again and
 * what is focused stays so.
 */
export class Nodes {
  /** @type {Map<string, { print: string, node: HTMLElement }>} */ #kept = new Map();
  /** @type {Map<string, { print: string, node: HTMLElement }>} */ #fresh = new Map();

  /**
   * The node for `key`, built anew only when `value` differs from last time.
   *
   * @param {string} key
   * @param {unknown} value
   * @param {() => HTMLElement} build
   */
  get(key, value, build) {
    const print = JSON.stringify(value);
    const kept = this.#kept.get(key);
    const entry = kept?.print === print ? kept : { print, node: build() };
    this.#fresh.set(key, entry);
    return entry.node;
  }

  /**
   * Puts `children` into `parent`, and forgets nodes that were not asked for since the last call.
   *
   * @param {Element} parent
   * @param {Node[]} children
   */
  show(parent, children) {
    this.#kept = this.#fresh;
    this.#fresh = new Map();
    const old = parent.childNodes;
    if (old.length === children.length && children.every((child, at) => child === old[at])) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const inside = focused !== null && parent.contains(focused);
    parent.replaceChildren(...children);
    if (inside && focused.isConnected) focused.focus({ preventScroll: true });
  }
}

/**
 * Tells the page's status line.
 *
 * @param {Element} from
 * @param {string} text
 * @param {"note" | "error" | "spoken"} [kind] `spoken`: for screen readers, because it is to be seen elsewhere
 */
export function say(from, text, kind = "note") {
  from.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text, kind } }));
}
