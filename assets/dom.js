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
