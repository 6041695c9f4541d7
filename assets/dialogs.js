import { h } from "./dom.js";

/**
 * Asks for a yes. Resolves to whether it was given.
 *
 * @param {{ title: string, text: string, yes: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export async function confirm(question) {
  return (await ask(question)) !== null;
}

/**
 * Asks for a line of text. Resolves to it, trimmed, or to `null` when the visitor thinks better of it.
 *
 * @param {{ title: string, text: string, yes: string, label: string, value?: string, selected?: number, secret?: boolean }} question
 *   `selected`: how many characters of `value` to select; `secret`: it is not shown while it is typed
 * @returns {Promise<string | null>}
 */
export function prompt(question) {
  return ask(question);
}

/**
 * @param {{ title: string, text: string, yes: string, danger?: boolean, label?: string, value?: string, selected?: number, secret?: boolean }} question
 * @returns {Promise<string | null>}
 */
function ask({ title, text, yes, danger = false, label, value = "", selected = value.length, secret = false }) {
  return new Promise((resolve) => {
    const input = label === undefined ? null
      : h("input", { type: secret ? "password" : "text", name: "answer", value, required: true, autocomplete: "off", spellcheck: false, maxLength: 255 });
    const no = h("button", { type: "button", class: "button quiet", on: { click: () => dialog.close() } }, "Cancel");
    const form = h("form", { method: "dialog", on: {
      submit: () => { dialog.returnValue = "yes"; },
    } },
      h("h2", { id: "ask-title" }, title),
      h("p", { id: "ask-text" }, text),
      input && h("label", { class: "field" }, h("span", {}, label ?? ""), input),
      h("div", { class: "dialog-buttons" }, no,
        h("button", { type: "submit", value: "yes", class: danger ? "button danger" : "button" }, yes)),
    );
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title", "aria-describedby": "ask-text", on: {
      close: () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes" ? (input?.value.trim() ?? "") : null);
      },
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
    // What cannot be undone does not lie under the Enter key.
    if (danger) no.focus();
    input?.focus();
    input?.setSelectionRange(0, selected);
  });
}
