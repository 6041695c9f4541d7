// All keys of the console, once: what they do, and what the sheet of keys (key-sheet.js) says of them.

/**
 * @typedef {import("./console.js").ToolName} ToolName
 * @typedef {object} Doings what keys can do; false where there is nothing to do it to
 * @property {import("./hands.js").Hands} hands
 * @property {(tool: ToolName) => void} take
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {() => void} save
 * @property {() => void} letGo
 * @property {() => boolean} finish closes what is drawn
 * @property {(step: 1 | -1) => void} turns
 * @property {() => void} grid
 * @property {() => void} frames
 * @property {() => void} help
 *
 * @typedef {object} Shortcut
 * @property {string} group
 * @property {string[]} shown as they are printed on keyboards
 * @property {string} words
 * @property {Record<string, any>} keys what is given to `run`, by key: `Mod+` is Control or Command, `Shift+` stands before
 *   letters and named keys
 * @property {boolean} [everywhere] not only while the table is in focus
 * @property {boolean} [typing] also while somebody is typing
 * @property {(doings: Doings, given: any) => unknown} run false: the key is somebody else's
 */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FINE_ARROWS = Object.fromEntries(Object.entries(ARROWS).map(([key, by]) => [`Shift+${key}`, by]));

/** @type {Shortcut[]} */
export const SHORTCUTS = [
  ...[["V", "move", "Choose and move"], ["F", "fog", "Fog"], ["A", "area", "Area"], ["M", "measure", "Measure"], ["P", "ping", "Point and ping"]].map(([key, tool, words]) =>
    ({ group: "Tools", shown: [key], words, keys: { [key]: tool }, run: (/** @type {Doings} */ doings, /** @type {any} */ name) => doings.take(name) })),
  { group: "Tools", shown: ["Esc"], words: "Let go, and stop what is being drawn", keys: { Escape: null }, run: (doings) => doings.letGo() },
  { group: "Tools", shown: ["Enter"], words: "Close the polygon of fog", keys: { Enter: null }, run: (doings) => doings.finish() },
  { group: "Tools", shown: ["Shift P"], words: "Ping what is chosen, or the middle of the view", keys: { "Shift+P": null }, run: (doings) => doings.hands.ping() },

  { group: "What is chosen", shown: ["N"], words: "Choose the next thing", keys: { N: 1 }, run: ({ hands }, step) => hands.next(step) },
  { group: "What is chosen", shown: ["Shift N"], words: "Choose the one before", keys: { "Shift+N": -1 }, run: ({ hands }, step) => hands.next(step) },
  { group: "What is chosen", shown: ["←", "→", "↑", "↓"], words: "Move it by a cell", keys: ARROWS, run: ({ hands }, by) => hands.nudge(by, false) },
  { group: "What is chosen", shown: ["Shift ←"], words: "Move it by a tenth of a cell", keys: FINE_ARROWS, run: ({ hands }, by) => hands.nudge(by, true) },
  { group: "What is chosen", shown: ["+", "−"], words: "Make it larger or smaller", keys: { "+": 1, "=": 1, "-": -1 }, run: ({ hands }, step) => hands.grow(step, false) },
  { group: "What is chosen", shown: ["Alt +", "Alt −"], words: "The same in small steps", keys: { "Alt++": 1, "Alt+=": 1, "Alt+-": -1 }, run: ({ hands }, step) => hands.grow(step, true) },
  { group: "What is chosen", shown: ["[", "]"], words: "Turn it by 15° (also , and .)", keys: { "[": -15, "]": 15, ",": -15, ".": 15 }, run: ({ hands }, degrees) => hands.turn(degrees) },
  { group: "What is chosen", shown: ["{", "}"], words: "Turn it by 1° (also ; and :)", keys: { "{": -1, "}": 1, ";": -1, ":": 1 }, run: ({ hands }, degrees) => hands.turn(degrees) },
  { group: "What is chosen", shown: ["H"], words: "Hide it from players, or show it", keys: { H: null }, run: ({ hands }) => hands.flip() },
  { group: "What is chosen", shown: ["Del"], words: "Take it off the table", keys: { Delete: null, Backspace: null }, run: ({ hands }) => hands.remove() },

  { group: "The table", shown: ["Ctrl Z"], words: "Undo", keys: { "Mod+Z": null }, everywhere: true, run: (doings) => doings.undo() },
  { group: "The table", shown: ["Ctrl Shift Z"], words: "Redo", keys: { "Mod+Shift+Z": null, "Mod+Y": null }, everywhere: true, run: (doings) => doings.redo() },
  { group: "The table", shown: ["Ctrl S"], words: "Save the scene", keys: { "Mod+S": null }, everywhere: true, typing: true, run: (doings) => doings.save() },
  { group: "The table", shown: ["T"], words: "Next turn", keys: { T: 1 }, run: (doings, step) => doings.turns(step) },
  { group: "The table", shown: ["Shift T"], words: "Previous turn", keys: { "Shift+T": -1 }, run: (doings, step) => doings.turns(step) },
  { group: "The table", shown: ["G"], words: "Settings of the grid", keys: { G: null }, run: (doings) => doings.grid() },
  { group: "The table", shown: ["S"], words: "Show or hide the frames of screens", keys: { S: null }, run: (doings) => doings.frames() },
  { group: "The table", shown: ["?"], words: "This sheet", keys: { "?": null }, everywhere: true, run: (doings) => doings.help() },
];

/** @type {Map<string, Shortcut>} */
const BY_KEY = new Map(SHORTCUTS.flatMap((shortcut) => Object.keys(shortcut.keys).map((key) => [key, shortcut])));

/**
 * What a key is called here: letters as capitals, with the keys that are held.
 *
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey"> & { getModifierState?: (key: string) => boolean }} event
 */
export function nameOfKey({ key, ctrlKey, metaKey, altKey, shiftKey, getModifierState }) {
  const isLetter = /^\p{L}$/u.test(key);
  // What a keyboard's third level writes is that character, whatever is held for it.
  const isWritten = getModifierState?.("AltGraph") === true;
  return [
    !isWritten && (ctrlKey || metaKey) && "Mod+", !isWritten && altKey && "Alt+",
    shiftKey && (isLetter || key.length > 1) && "Shift+", isLetter ? key.toUpperCase() : key,
  ].filter(Boolean).join("");
}

/** Whether somebody is typing. @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element
    && target.closest('input:not([type="checkbox"], [type="radio"], [type="button"]), textarea, select, [contenteditable]') !== null;
}

/** Whether there is something to answer first; where nothing of it is in focus, keys go to the page itself. */
const isAsked = () => document.querySelector("dialog:modal") !== null;

/**
 * Does what a key is for.
 *
 * @param {KeyboardEvent} event
 * @param {Doings} doings
 * @param {boolean} atTable whether the table is in focus
 */
export function press(event, doings, atTable) {
  const name = nameOfKey({ key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, shiftKey: event.shiftKey,
    getModifierState: (key) => event.getModifierState(key) });
  const shortcut = BY_KEY.get(name);
  if (!shortcut || event.defaultPrevented || isAsked()) return;
  if ((isTyping(event.target) && !shortcut.typing) || !(atTable || shortcut.everywhere)) return;
  if (shortcut.run(doings, shortcut.keys[name]) === false) return;
  event.preventDefault();
  event.stopPropagation();
}
