import { h, icon } from "../dom.js";

/** A bank card is so many inches broad everywhere (ISO/IEC 7810, 85.60 mm). */
const CARD = 85.6 / 25.4;

/**
 * The settings of a screen itself, behind a button that shows only while somebody is there. Set
 * `kept` before inserting it. Event: `leave`.
 */
export class DisplayMenu extends HTMLElement {
  /** @type {import("./kept.js").Kept} */ kept;
  #dialog = h("dialog", { class: "ask display-settings", "aria-labelledby": "settings-title" });

  connectedCallback() {
    const open = h("button", { type: "button", class: "button quiet display-button", on: { click: () => this.#open() } },
      icon("settings"), "Screen settings");
    this.replaceChildren(open, this.#dialog);
  }

  get isOpen() {
    return this.#dialog.open;
  }

  #open() {
    const { kept } = this;
    const bar = h("div", { class: "card-bar", "aria-hidden": "true" }, h("span", {}, "bank card"));
    const size = () => { bar.style.width = `${kept.inch * CARD}px`; };
    const inch = h("input", { type: "range", min: "30", max: "300", step: "0.25", value: String(kept.inch), on: {
      input: () => {
        kept.inch = Number(inch.value);
        size();
      },
    } });
    size();
    const isTrue = h("input", { type: "checkbox", checked: kept.isTrueSize, on: { change: () => { kept.isTrueSize = isTrue.checked; } } });
    const full = h("input", { type: "checkbox", checked: document.fullscreenElement !== null, on: { change: () => {
      const done = full.checked ? document.documentElement.requestFullscreen() : document.exitFullscreen();
      done.catch(() => { full.checked = document.fullscreenElement !== null; });
    } } });
    this.#dialog.replaceChildren(h("form", { method: "dialog" },
      h("h2", { id: "settings-title" }, "This screen"),
      document.fullscreenEnabled && h("label", { class: "check" }, full, h("span", {}, "Fill the screen")),
      h("label", { class: "check" }, isTrue, h("span", {}, h("strong", {}, "True size"), h("small", {}, "One cell is one inch, for miniatures on a screen that lies flat."))),
      h("fieldset", { class: "calibrate" },
        h("legend", {}, "Measure once"),
        h("label", { class: "field" }, h("span", {}, "Hold a bank card to the bar and make the bar as long as the card"), inch),
        bar),
      h("div", { class: "dialog-buttons" },
        kept.table !== null && h("button", { type: "submit", class: "button quiet", on: { click: () => this.dispatchEvent(new Event("leave")) } }, "Leave this table"),
        h("button", { type: "submit", class: "button" }, "Done")),
    ));
    this.#dialog.showModal();
  }
}
