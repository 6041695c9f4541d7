import { h } from "../dom.js";
import { VIEW_KEYS } from "../stage/keys.js";
import { SHORTCUTS } from "./shortcuts.js";

/** Keys of the mouse, for the sheet only. */
const POINTER = [
  { shown: ["Click"], words: "Choose a thing; beside everything: let go" },
  { shown: ["Drag"], words: "Move a token, an area, or the map that is chosen; else the view" },
  { shown: ["Shift"], words: "While turning: steps of 15°. While scaling a map: whole cells" },
  { shown: ["Wheel"], words: "Zoom where the pointer is" },
  { shown: ["Middle button"], words: "Move the view, whatever the tool" },
  { shown: ["Long press"], words: "Ping" },
];

/** Shows all keys. */
export function showKeys() {
  if (document.querySelector(".key-sheet")) return;
  const groups = [...new Set(SHORTCUTS.map(({ group }) => group))].map((title) => ({ title, rows: SHORTCUTS.filter(({ group }) => group === title) }));
  const row = (/** @type {{ shown: string[], words: string }} */ { shown, words }) =>
    h("div", { class: "key-row" }, h("dt", {}, ...shown.map((keys) => h("span", { class: "keys" }, ...keys.split(" ").map((key) => h("kbd", {}, key))))), h("dd", {}, words));
  const part = (/** @type {string} */ title, /** @type {{ shown: string[], words: string }[]} */ rows) =>
    h("section", {}, h("h3", {}, title), h("dl", {}, ...rows.map(row)));
  const dialog = h("dialog", { class: "ask key-sheet", "aria-labelledby": "keys-title", on: {
    close: () => dialog.remove(),
    keydown: (/** @type {KeyboardEvent} */ event) => event.key === "?" && dialog.close(),
  } }, h("form", { method: "dialog" },
    h("h2", { id: "keys-title" }, "Keys"),
    h("p", {}, "While the table is in focus: click it, or go there with the Tab key."),
    h("div", { class: "key-groups", tabIndex: 0, role: "group", "aria-label": "All keys" },
      h("div", {}, ...groups.map(({ title, rows }) => part(title, rows)), part("The view, when nothing is chosen", VIEW_KEYS), part("Mouse and fingers", POINTER))),
    h("div", { class: "dialog-buttons" }, h("button", { type: "submit", class: "button" }, "Close"))));
  document.body.append(dialog);
  dialog.showModal();
}
