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
  sound: "M4 9h4l5-4.5v15L8 15H4zm11-1.500a5 5 0 0 1 0 9v-2.200a3 3 0 0 0 0-4.600zm0-4.300a9 9 0 0 1 0 17.600v-2.100a7 7 0 0 0 0-13.400z",
  silent: "M4 9h4l5-4.5v15L8 15H4zm11.6.4L17 8l2 2 2-2 1.4 1.4-2 2 2 2L21 14.8l-2-2-2 2-1.4-1.4 2-2z",
  move: "M12 2l3.5 3.5h-2.6v5.6h5.6V8.5L22 12l-3.5 3.5v-2.6h-5.6v5.6h2.6L12 22l-3.5-3.5h2.6v-5.6H5.5v2.6L2 12l3.5-3.5v2.6h5.6V5.5H8.5z",
  fog: "M7 18a4 4 0 0 1-.6-7.95 6 6 0 0 1 11.4-1.2A4.6 4.6 0 0 1 17.4 18zM4 20h16v1.8H4z",
  area: "M12 3 22 20H2zm0 4L5.5 18h13z",
  measure: "m3 16.5 13.5-13.5L21 7.500 7.500 21zm3 0L7.500 18 18 7.500 16.500 6l-1.600 1.600 1.500 1.500-1.100 1.100-1.500-1.500-1.500 1.500 2.200 2.200-1.100 1.100-2.200-2.200-1.500 1.500 1.500 1.500-1.100 1.100-1.500-1.500z",
  undo: "M8 4v4h6a6 6 0 0 1 0 12H7v-2h7a4 4 0 0 0 0-8H8v4L2.500 9z",
  redo: "M16 4v4h-6a6 6 0 0 0 0 12h7v-2h-7a4 4 0 0 1 0-8h6v4l5.500-5z",
  shown: "M12 5c5 0 8.600 4.400 10 7-1.400 2.600-5 7-10 7s-8.600-4.400-10-7c1.400-2.600 5-7 10-7zm0 2c-3.500 0-6.200 2.800-7.600 5 1.400 2.200 4.100 5 7.600 5s6.200-2.800 7.600-5c-1.400-2.200-4.100-5-7.600-5zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
  hidden: "m4.400 3 16.600 16.600-1.400 1.400-3.300-3.300c-1.300.5-2.700.8-4.300.8-5 0-8.600-4-10-6.500.8-1.500 2.300-3.500 4.500-4.900L3 4.400zM7.900 8.500C6.200 9.600 5 11 4.400 12c1.400 2.200 4.100 4.500 7.600 4.500.9 0 1.800-.2 2.600-.4zm3.800-3h.3c5 0 8.600 4 10 6.500-.6 1.100-1.500 2.400-2.800 3.500l-1.400-1.400c.8-.7 1.500-1.500 1.800-2.100-1.400-2.200-4.100-4.500-7.600-4.500z",
  lock: "M7 10V7a5 5 0 0 1 10 0v3h2v11H5V10zm2 0h6V7a3 3 0 0 0-6 0zm-2 2v7h10v-7z",
  unlock: "M7 10V7a5 5 0 0 1 9.600-2l-1.900.8A3 3 0 0 0 9 7v3h10v11H5V10zm0 2v7h10v-7z",
  up: "m12 6 7 7-1.500 1.500L13 10v9h-2v-9l-4.500 4.500L5 13z",
  down: "m12 18-7-7 1.500-1.500L11 14V5h2v9l4.500-4.500L19 11z",
  grid: "M4 3h2v3h4V3h2v3h4V3h2v3h3v2h-3v4h3v2h-3v4h3v2h-3v2h-2v-2h-4v2h-2v-2H6v2H4v-2H2v-2h2v-4H2v-2h2V8H2V6h2zm2 5v4h4V8zm6 0v4h4V8zm-6 6v4h4v-4zm6 0v4h4v-4z",
  keys: "M2 6h20v12H2zm2 2v8h16V8zm1.5 1.500h2v2h-2zm3.300 0h2v2h-2zm3.300 0h2v2h-2zm3.300 0h2v2h-2zM5.500 12.700h2v2h-2zm3.300 0h6.500v2H8.800zm7.700 0h2v2h-2z",
  screen: "M3 4h18v13h-8v2h4v2H7v-2h4v-2H3zm2 2v9h14V6z",
  more: "M5 10a2 2 0 1 1 0 4 2 2 0 0 1 0-4zm7 0a2 2 0 1 1 0 4 2 2 0 0 1 0-4zm7 0a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  folder: "M3 5h6.500l2 2.500H21V19H3zm2 2v10h14V9.500h-8.500L8.500 7z",
  copy: "M8 3h12v14H8zm2 2v10h8V5zM4 7h2v12h10v2H4z",
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
    // What somebody types in it is not taken from under their hands: it is built anew when they have done.
    const entry = kept && (kept.print === print || isTypedIn(kept.node)) ? kept : { print, node: build() };
    this.#fresh.set(key, entry);
    return entry.node;
  }

  /**
   * Puts `children` into `parent`, and forgets nodes that were not asked for since the last call. Where a number
   * may be typed (`numberInput`), it is to be called also when that loses the focus.
   *
   * @param {Element} parent
   * @param {Node[]} children
   */
  show(parent, children) {
    const before = this.#kept;
    this.#kept = this.#fresh;
    this.#fresh = new Map();
    const old = parent.childNodes;
    if (old.length === children.length && children.every((child, at) => child === old[at])) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (focused === null || !parent.contains(focused)) return parent.replaceChildren(...children);
    const stays = children.findIndex((child) => child.contains(focused));
    if (stays >= 0) return arrange(parent, children, stays);
    const [key, entry] = [...before].find(([, { node }]) => node.contains(focused)) ?? [];
    const at = entry ? controlsOf(entry.node).indexOf(focused) : -1;
    parent.replaceChildren(...children);
    // What was built anew has the same controls in the same order, or nearly.
    const node = this.#kept.get(key ?? "")?.node;
    const next = focused.isConnected ? focused : node && at >= 0 ? controlsOf(node)[at] : null;
    next?.focus({ preventScroll: true });
  }
}

/**
 * Puts children into an element without touching the one that has the focus, which would lose it.
 *
 * @param {Element} parent
 * @param {Node[]} children
 * @param {number} stays where that one is among them
 */
function arrange(parent, children, stays) {
  const next = new Set(children);
  for (const child of [...parent.childNodes]) if (!next.has(child)) child.remove();
  for (const child of children.slice(0, stays)) parent.insertBefore(child, children[stays]);
  parent.append(...children.slice(stays + 1));
}

/**
 * A field for a number, which tells what was typed when it is done, unless it is no number.
 *
 * @param {number} value
 * @param {Record<string, any>} props
 * @param {(value: number) => void} change
 * @param {(input: HTMLInputElement) => number} [read]
 */
export function numberInput(value, props, change, read = ({ valueAsNumber }) => valueAsNumber) {
  const input = h("input", { type: "number", ...props, value: String(value), on: {
    input: () => { input.dataset.typed = "true"; },
    change: () => {
      delete input.dataset.typed;
      const typed = read(input);
      if (Number.isFinite(typed)) change(typed);
      else if (input.value.trim() !== "") say(input, `“${input.value.trim()}” is no number.`, "error");
      // What came of it is shown in a new one, if it was not refused.
      input.value = String(value);
    },
    blur: () => { delete input.dataset.typed; },
  } });
  return input;
}

/** Says that a field is full, where it has a `maxLength`: browsers take no more without a word. @param {HTMLInputElement} input */
export function fullNote(input) {
  const note = h("small", { class: "full-note", role: "status" });
  input.addEventListener("input", () => { note.textContent = input.value.length >= input.maxLength ? `It may have up to ${input.maxLength} characters.` : ""; });
  return note;
}

/** Whether a number is being typed somewhere. @param {Element} node */
export function isTypedIn(node) {
  const focused = document.activeElement;
  return focused instanceof HTMLInputElement && focused.dataset.typed !== undefined && node.contains(focused);
}

/** @param {HTMLElement} node */
const controlsOf = (node) => /** @type {HTMLElement[]} */ ([...node.querySelectorAll("button, input, select, a[href]")]);

/**
 * Tells the page's status line.
 *
 * @param {Element} from
 * @param {string} text
 * @param {"note" | "error" | "spoken" | "done"} [kind] `spoken`: for screen readers, because it is to be seen elsewhere;
 *   `done`: nothing to read, but what this element said before of its trouble is over
 */
export function say(from, text, kind = "note") {
  // What has been taken off the page, such as the panel of another tab, still has something to say.
  (from.isConnected ? from : document).dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text, kind } }));
}
