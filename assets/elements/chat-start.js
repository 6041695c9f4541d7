import { readInvitation } from "../chat/invitation.js";
import { h } from "../dom.js";
import { isLongEnough, newPassphrase } from "../e2e.js";

const WAYS = /** @type {const} */ ([
  ["link-v1", "Key in the link", "End-to-end encrypted. Whoever has the whole link can join and read; the server never sees the key."],
  ["passphrase-v1", "Words that you agree on", "End-to-end encrypted. Good for telling across the table. Weak words can be guessed by whoever runs the server."],
  ["wrap-v1", "From member to member", "End-to-end encrypted. Members compare safety codes, and the key changes whenever somebody leaves."],
  ["server", "By the server", "Encrypted (server-managed key), for other chat programs. Whoever runs the server can read everything."],
]);

/**
 * Creates or joins a room. Set `invitation` and `trouble` before inserting it.
 *
 * Events: `create` and `join` with the entry of a room, `uninvite`.
 */
export class ChatStart extends HTMLElement {
  /** @type {import("../chat/invitation.js").Invitation | null} */ invitation = null;
  trouble = "";
  /** @type {import("../chat/room.js").ChatRoom | null} */ #room = null;
  #gone = new AbortController();
  #fields = h("fieldset", { class: "bare" });
  #trouble = h("p", { class: "trouble", role: "alert" });
  #progress = h("p", { role: "status" });
  #waiting = h("div", { class: "notice waiting", hidden: true });

  connectedCallback() {
    const cancel = h("button", { type: "button", class: "button quiet", on: { click: () => this.#room?.leave() } }, "Cancel");
    this.#waiting.replaceChildren(this.#progress, cancel);
    const cards = this.invitation ? [this.#joinForm(), this.#createForm()] : [this.#createForm(), this.#joinForm()];
    this.#fields.replaceChildren(h("div", { class: "doors" }, ...cards));
    this.#trouble.textContent = this.trouble;
    this.replaceChildren(this.#trouble, this.#waiting, this.#fields);
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /**
   * @param {import("../chat/room.js").ChatRoom | null} room that is being entered; null when it is not any more
   * @param {string} [trouble]
   */
  waitFor(room, trouble = "") {
    this.#gone.abort();
    this.#gone = new AbortController();
    this.#room = room;
    this.#fields.disabled = room !== null;
    this.#waiting.hidden = room === null;
    this.#trouble.textContent = trouble;
    room?.addEventListener("change", () => this.#showProgress(), { signal: this.#gone.signal });
    this.#showProgress();
  }

  #showProgress() {
    const room = this.#room;
    const text = room === null ? "" : room.busy || (room.connected ? "Entering the room" : "Connecting to the server");
    if (this.#progress.textContent !== text) this.#progress.textContent = text;
  }

  #createForm() {
    const name = textField("Room's name", { required: true, maxLength: 64 });
    const me = textField("Your name", { required: true, maxLength: 32, autocomplete: "nickname" });
    const description = textField("Description (the server can read it)", { maxLength: 500 });
    const words = textField("Words, at least four", { maxLength: 200 });
    const password = textField("Password for the door (optional)", { type: "password", maxLength: 100, autocomplete: "new-password" });
    const suggest = h("button", { type: "button", class: "button quiet", on: { click: () => { words.input.value = newPassphrase(); } } }, "Suggest words");
    const wordsRow = h("div", { class: "words-row" }, words.label, suggest);
    const chosen = h("span", {});
    const choose = (/** @type {string} */ mode) => {
      wordsRow.hidden = mode !== "passphrase-v1";
      words.input.required = !wordsRow.hidden;
      password.label.hidden = mode !== "wrap-v1" && mode !== "server";
      chosen.textContent = WAYS.find(([key]) => key === mode)?.[1] ?? "";
      words.input.setCustomValidity("");
    };
    const ways = WAYS.map(([mode, title, text], i) => h("label", { class: "way" },
      h("input", { type: "radio", name: "mode", value: mode, checked: i === 0, on: { change: () => choose(mode) } }),
      h("span", {}, h("strong", {}, title), h("span", { class: "soft" }, text))));
    choose("link-v1");
    words.input.addEventListener("input", () => words.input.setCustomValidity(""));
    const form = h("form", { class: "card-form", on: { submit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const mode = String(new FormData(form).get("mode"));
      if (mode === "passphrase-v1" && !isLongEnough(words.input.value)) {
        words.input.setCustomValidity("Take at least four different words of three letters or more; “Suggest words” makes good ones.");
        words.input.reportValidity();
        return;
      }
      this.#send("create", {
        mode, name: name.input.value.trim(), myName: me.input.value.trim(), description: description.input.value.trim(),
        passphrase: mode === "passphrase-v1" ? words.input.value.trim() : null,
        password: mode === "wrap-v1" || mode === "server" ? password.input.value : null,
      });
    } } },
      h("h2", {}, "Open a room"),
      name.label, me.label,
      h("details", { class: "ways" }, h("summary", {}, "Encryption: ", chosen),
        h("fieldset", { class: "bare" }, h("legend", {}, "How members get the room's key"), ...ways)),
      wordsRow, password.label, description.label,
      h("div", { class: "dialog-buttons" }, h("button", { type: "submit", class: "button" }, "Open the room")),
    );
    return form;
  }

  #joinForm() {
    const { invitation } = this;
    const link = textField("Link or join key", { required: true, maxLength: 2000 });
    const me = textField("Your name", { required: true, maxLength: 32, autocomplete: "nickname" });
    link.input.addEventListener("input", () => link.input.setCustomValidity(""));
    const form = h("form", { class: "card-form", on: { submit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const accepted = invitation ?? readInvitation(link.input.value);
      if (accepted === null) {
        link.input.setCustomValidity("Paste the whole link, or the join key: 16 letters and digits.");
        link.input.reportValidity();
        return;
      }
      const { joinKey, secret, scheme } = accepted;
      this.#send("join", { joinKey, secret, mode: scheme, myName: me.input.value.trim() });
    } } },
      h("h2", {}, invitation ? "You are invited" : "Join a room"),
      invitation
        ? h("p", { class: "soft" }, invitation.secret ? "The room's key came with the link. It stays on this device: it was not sent to the server." : "Your link leads to a room.")
        : link.label,
      me.label,
      h("div", { class: "dialog-buttons" },
        invitation && h("button", { type: "button", class: "button quiet", on: { click: () => this.dispatchEvent(new Event("uninvite")) } }, "Not this room"),
        h("button", { type: "submit", class: "button" }, "Join")),
    );
    return form;
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} entry
   */
  #send(type, entry) {
    this.dispatchEvent(new CustomEvent(type, { detail: entry }));
  }
}

/**
 * @param {string} label
 * @param {Record<string, unknown>} props
 */
function textField(label, props) {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: false, ...props });
  return { input, label: h("label", { class: "field" }, h("span", {}, label), input) };
}
