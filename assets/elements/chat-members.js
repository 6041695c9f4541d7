import { h } from "../dom.js";

/** Who is here, and where keys go from member to member, the codes to compare. Set `room` before inserting it. */
export class ChatMembers extends HTMLElement {
  /** @type {import("../chat/room.js").ChatRoom} */ room;
  #gone = new AbortController();
  #list = h("ul", { class: "members" });
  #hint = h("p", { class: "soft" });
  /** Public keys whose codes were compared, by this visitor on this page. @type {Set<string>} */ #compared = new Set();
  #shown = "";

  connectedCallback() {
    this.#gone = new AbortController();
    this.replaceChildren(this.#list, this.#hint);
    this.room.addEventListener("change", () => this.#show(), { signal: this.#gone.signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  async #show() {
    const members = [...this.room.members.values()];
    const print = JSON.stringify([members, this.room.me]);
    if (print === this.#shown) return;
    this.#shown = print;
    const codes = await Promise.all(members.map((member) => this.room.safetyCode(member)));
    if (print !== this.#shown) return;
    this.#list.replaceChildren(...members.map((member, i) => this.#row(member, codes[i])));
    this.#hint.hidden = this.room.mode !== "wrap-v1";
    this.#hint.textContent = members.length > 1
      ? "Read each other your safety code, across the table or on the phone. If it is the same on both screens, nobody has put a key of their own between you."
      : "Safety codes appear here when others come.";
  }

  /**
   * @param {import("../chat/room.js").Member} member
   * @param {string | null} code
   */
  #row(member, code) {
    const key = member.public_key?.key ?? "";
    const me = member.participant_id === this.room.me;
    const box = h("input", { type: "checkbox", checked: this.#compared.has(key), on: { change: () => {
      if (box.checked) this.#compared.add(key);
      else this.#compared.delete(key);
    } } });
    return h("li", {},
      h("p", { class: "member-name" }, h("strong", {}, member.name), me && h("span", { class: "soft" }, " (you)"), member.is_owner && h("span", { class: "soft" }, " owner")),
      code !== null && h("p", { class: "safety" },
        h("span", { class: "soft" }, "Safety code "), h("code", {}, code),
        h("label", { class: "compared" }, box, " compared")),
    );
  }
}
