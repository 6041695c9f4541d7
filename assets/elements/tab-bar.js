/**
 * Switches between panels; the markup inside is the tabs, hidden ones are out of reach. The choice is
 * kept in the address. Event: `choose` with the panel's id.
 */
export class TabBar extends HTMLElement {
  #gone = new AbortController();

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.#choose(tab), { signal });
    this.addEventListener("keydown", (e) => this.#key(e), { signal });
    addEventListener("hashchange", () => this.#follow(), { signal });
    this.#follow();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** Shows a panel. @param {string} panel its id */
  show(panel) {
    const wanted = this.#tabs.find((tab) => tab.getAttribute("aria-controls") === panel);
    if (wanted) this.#choose(wanted);
  }

  get #tabs() {
    return /** @type {HTMLElement[]} */ ([...this.querySelectorAll('[role="tab"]:not([hidden])')]);
  }

  #follow() {
    this.show(location.hash.slice(1));
  }

  /** @param {HTMLElement} chosen */
  #choose(chosen) {
    for (const tab of this.#tabs) {
      const selected = tab === chosen;
      const panel = tab.getAttribute("aria-controls") ?? "";
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      document.getElementById(panel)?.toggleAttribute("hidden", !selected);
      // Not by assignment: that would scroll the panel's top to the window's.
      if (selected && location.hash !== `#${panel}`) history.replaceState(null, "", `#${panel}`);
    }
    this.dispatchEvent(new CustomEvent("choose", { detail: chosen.getAttribute("aria-controls") }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const tabs = this.#tabs;
    const at = tabs.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[to % tabs.length];
    this.#choose(tab);
    tab.focus();
  }
}
