import { h, icon } from "./dom.js";

/**
 * @typedef {{ words: string, run: () => unknown, danger?: boolean }} MenuItem
 */

/**
 * A button that opens a list of what can be done with something.
 *
 * @param {string} label the button's name, for the screen reader and as a tip
 * @param {() => MenuItem[]} items asked for when it opens
 */
export function menuButton(label, items) {
  const button = h("button", { type: "button", class: "icon-button menu-button", "aria-label": label, title: label, "aria-haspopup": "menu", "aria-expanded": "false", on: { click: () => open(button, label, items()) } }, icon("more"));
  return button;
}

/** @param {HTMLButtonElement} button @param {string} label @param {MenuItem[]} items */
function open(button, label, items) {
  // Not every browser does so by itself, and the menu gives focus back to where it was.
  button.focus();
  const rows = items.map(({ words, run, danger }) => h("button", { type: "button", role: "menuitem", tabIndex: -1, class: danger ? "menu-item danger-words" : "menu-item", on: { click: () => {
    // Focus goes back first: what the item asks gives it back to where it was.
    menu.hidePopover();
    button.focus();
    run();
  } } }, words));
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label, popover: "auto", on: {
    toggle: (/** @type {ToggleEvent} */ event) => {
      button.setAttribute("aria-expanded", String(event.newState === "open"));
      if (event.newState === "closed") menu.remove();
    },
    keydown: (/** @type {KeyboardEvent} */ event) => {
      const at = rows.findIndex((row) => row === document.activeElement);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1 + rows.length, Home: 0, End: rows.length - 1 }[event.key];
      // The table has arrow keys and letters of its own.
      event.stopPropagation();
      if (event.key === "Tab") menu.hidePopover();
      if (to === undefined) return;
      event.preventDefault();
      rows[to % rows.length].focus();
    },
  } }, ...rows);
  (button.closest("main") ?? document.body).append(menu);
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(4, Math.min(at.right - width, innerWidth - width - 4))}px`;
  menu.style.top = `${at.bottom + height + 4 > innerHeight ? Math.max(4, at.top - height - 2) : at.bottom + 2}px`;
  rows[0]?.focus();
}
