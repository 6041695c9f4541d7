import { fullNote, h } from "./dom.js";

/**
 * Asks for a yes. Resolves to whether it was given.
 *
 * @param {{ title: string, text: string, yes: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ yes, danger, ...question }) {
  return (await ask({ ...question, answers: [["yes", yes, danger]] })) !== null;
}

/**
 * Asks for one of several answers. Resolves to its value, or to `null` when the visitor thinks better of it.
 *
 * @param {{ title: string, text: string, answers: Answer[] }} question the answer that is meant most often comes last
 * @returns {Promise<string | null>}
 */
export function choose(question) {
  return ask(question);
}

/**
 * Asks for a line of text. Resolves to it, trimmed, or to `null` when the visitor thinks better of it.
 *
 * @param {{ title: string, text: string, yes: string, label: string, value?: string, selected?: number, most?: number, secret?: boolean, attempt?: (text: string) => Promise<unknown> }} question
 *   `selected`: how many characters of `value` to select; `most`: how many it may have; `secret`: it is not shown while it is typed; `attempt`: what is
 *   done with it, where that may fail: until it succeeds, it is asked on
 * @returns {Promise<string | null>}
 */
export async function prompt({ yes, label, value = "", selected, most = 255, secret = false, attempt, ...question }) {
  const input = h("input", { type: secret ? "password" : "text", name: "answer", value, required: true, autocomplete: "off", spellcheck: false, maxLength: most });
  const ready = () => {
    input.focus();
    input.setSelectionRange(0, selected ?? input.value.length);
  };
  const answer = await ask({ ...question, answers: [["yes", yes]], field: h("label", { class: "field" }, h("span", {}, label), input, fullNote(input)), ready,
    attempt: attempt && (() => attempt(input.value.trim())) });
  return answer === null ? null : input.value.trim();
}

/**
 * Asks for what stands in several fields.
 *
 * @param {{ title: string, text: string, yes: string, fields: HTMLElement[], attempt: () => Promise<unknown> }} question
 *   `attempt`: what is done with them; until it succeeds, it is asked on
 */
export async function fillIn({ yes, fields, attempt, ...question }) {
  const field = h("div", { class: "ask-fields" }, ...fields);
  await ask({ ...question, answers: [["yes", yes]], field, attempt, ready: () => field.querySelector("input")?.select() });
}

/**
 * Asks for one of a list. Resolves to its value, or to `null` when the visitor thinks better of it.
 *
 * @param {{ title: string, text: string, yes: string, label: string, options: [string, string][], value: string }} question
 *   `options`: values with their words
 * @returns {Promise<string | null>}
 */
export async function pick({ yes, label, options, value, ...question }) {
  const select = h("select", { name: "answer" }, ...options.map(([each, words]) => h("option", { value: each }, words)));
  select.value = value;
  const answer = await ask({ ...question, answers: [["yes", yes]], field: h("label", { class: "field" }, h("span", {}, label), select), ready: () => select.focus() });
  return answer === null ? null : select.value;
}

/**
 * @typedef {[value: string, words: string, danger?: boolean]} Answer
 *
 * @param {{ title: string, text: string, answers: Answer[], field?: Node, ready?: () => void, attempt?: () => Promise<unknown> }} question
 *   `attempt`: why it fails is said beside what was typed, which is not lost
 * @returns {Promise<string | null>} the answer's value
 */
function ask({ title, text, answers, field, ready, attempt }) {
  return new Promise((resolve) => {
    const no = h("button", { type: "button", class: "button quiet", on: { click: () => dialog.close() } }, "Cancel");
    const last = answers.length - 1;
    const trouble = h("p", { class: "trouble", role: "alert" });
    let isBusy = false;
    const form = h("form", { method: "dialog", on: { submit: async (/** @type {SubmitEvent} */ event) => {
      if (!attempt) return;
      event.preventDefault();
      if (isBusy) return;
      isBusy = no.disabled = true;
      // What goes wrong twice is said twice.
      trouble.textContent = "";
      try {
        await attempt();
        dialog.close("yes");
      } catch (error) {
        trouble.textContent = /** @type {Error} */ (error).message;
        if (!(document.activeElement instanceof HTMLInputElement)) ready?.();
      }
      isBusy = no.disabled = false;
    } } },
      h("h2", { id: "ask-title" }, title),
      h("p", { id: "ask-text" }, text),
      field,
      attempt && trouble,
      h("div", { class: "dialog-buttons" }, no, ...answers.map(([value, words, danger], at) =>
        h("button", { type: "submit", value, class: danger ? "button danger" : at < last ? "button quiet" : "button" }, words))),
    );
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title", "aria-describedby": "ask-text", on: {
      // What is under way is not taken back by that.
      cancel: (/** @type {Event} */ event) => isBusy && event.preventDefault(),
      close: () => {
        dialog.remove();
        resolve(dialog.returnValue || null);
      },
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
    // What cannot be undone does not lie under the Enter key.
    if (answers[last][2]) no.focus();
    else if (answers.length > 1) /** @type {HTMLElement} */ (form.querySelector('[type="submit"]:last-child')).focus();
    ready?.();
  });
}
