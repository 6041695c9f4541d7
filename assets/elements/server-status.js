import { signIn } from "../api.js";
import { prompt } from "../dialogs.js";
import { h } from "../dom.js";
import { count } from "../format.js";

/** What state the server is in, and whether the visitor is the GM. Set `state` before inserting it. */
export class ServerStatus extends HTMLElement {
  /** @type {import("../state.js").State} */ state;
  #gone = new AbortController();
  #dot = h("span", { class: "dot", "aria-hidden": "true" });
  #words = h("span", {});
  #facts = h("span", { class: "facts" });
  #notice = h("div", { class: "notice", hidden: true });

  connectedCallback() {
    this.#gone = new AbortController();
    this.replaceChildren(h("p", { class: "server-state" }, this.#dot, this.#words, this.#facts), this.#notice);
    this.state.addEventListener("change", () => this.#show(), { signal: this.#gone.signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  async #signIn() {
    const password = await prompt({ title: "Sign in as the GM", text: "It is the password that the server was started with, or else the one it printed when it was started first.",
      label: "Password", yes: "Sign in", secret: true, attempt: signIn });
    if (password === null) return;
    // The address still has what a player is shown; the GM's place is the table.
    history.replaceState(null, "", "#table");
    location.reload();
  }

  #show() {
    const { health, reachable, refusal } = this.state;
    const is = !reachable ? "away" : health?.scanning ? "busy" : health ? "well" : "unknown";
    this.dataset.is = is;
    this.#words.textContent = {
      away: "The server does not answer; trying again",
      busy: "Reading the folders",
      well: `Server ${health?.version} is running`,
      unknown: "Asking the server",
    }[is];
    const skipped = health ? health.maps.skipped + health.scenes.skipped + health.sounds.skipped : 0;
    const facts = health && reachable
      ? [count(health.maps.files, "map"), count(health.scenes.files, "scene"), count(health.sounds.files, "sound"),
          skipped > 0 && `${count(skipped, "file")} left out as unreadable; the server's log names ${skipped === 1 ? "it" : "them"}`]
      : [];
    const key = facts.join();
    if (this.#facts.dataset.key !== key) {
      this.#facts.dataset.key = key;
      this.#facts.replaceChildren(...facts.filter((fact) => fact !== false).map((fact) => h("span", {}, String(fact))));
    }
    this.#notice.hidden = refusal === "";
    if (this.#notice.dataset.refusal !== refusal) {
      this.#notice.dataset.refusal = refusal;
      this.#notice.replaceChildren(
        h("h2", {}, "You are visiting as a player"),
        h("p", {}, "Join the table to see the map and your token. The sounds below are open to everybody at the table."),
        h("p", { class: "ways" },
          h("a", { class: "button", href: "/join" }, "Join the table"),
          h("a", { class: "button quiet", href: "/display" }, "Use this as a screen"),
          h("button", { type: "button", class: "button quiet", on: { click: () => this.#signIn() } }, "Sign in as the GM")),
        h("details", {}, h("summary", {}, "Other ways to be the GM"), h("p", { class: "refusal" }, refusal)),
      );
    }
  }
}
