import { writeInvitation } from "../chat/invitation.js";
import { confirm } from "../dialogs.js";
import { h, say } from "../dom.js";
import { ChatComposer } from "./chat-composer.js";
import { ChatLog } from "./chat-log.js";
import { ChatMembers } from "./chat-members.js";

const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;

/** A room: what is said, who is here, the link. Set `room` before inserting it. Event: `back`. */
export class ChatRoomView extends HTMLElement {
  /** @type {import("../chat/room.js").ChatRoom} */ room;
  #gone = new AbortController();
  #dot = h("span", { class: "dot", "aria-hidden": "true" });
  #state = h("span", { role: "status" });
  #buttons = h("div", { class: "room-buttons" });
  #over = h("div", { class: "notice over", hidden: true, tabIndex: -1 });
  #composer = new ChatComposer();
  #people = h("span", { class: "count" });
  #unread = 0;
  /** @type {HTMLElement} */ #inviting;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    const { room } = this;
    this.#composer.room = room;
    const ours = room.mode !== "server";
    const panel = (/** @type {string | Node} */ title, /** @type {(Node | string | false)[]} */ ...content) =>
      h("details", { class: "panel" }, h("summary", {}, title), h("div", { class: "panel-body" }, ...content));
    this.#inviting = panel("Invite", ...this.#invite());
    this.replaceChildren(
      h("header", { class: "room-head" },
        h("div", { class: "room-title" },
          h("h2", {}, room.info.name),
          h("p", { class: `badge${ours ? " ours" : ""}` }, ours ? "End-to-end encrypted" : "Encrypted (server-managed key)")),
        h("p", { class: "room-state" }, this.#dot, this.#state),
        this.#buttons),
      h("div", { class: "room-side" },
        this.#inviting,
        panel(h("span", {}, "Members ", this.#people), Object.assign(new ChatMembers(), { room })),
        panel("Who can read this", ...this.#promise())),
      h("div", { class: "room-main" }, Object.assign(new ChatLog(), { room }), this.#over, this.#composer),
    );
    const wide = matchMedia("(min-width: 60.01rem)");
    wide.addEventListener("change", () => this.#arrange(wide.matches), { signal });
    this.#arrange(wide.matches);
    room.addEventListener("change", () => this.#show(), { signal });
    room.addEventListener("over", () => this.#over.focus(), { signal });
    room.addEventListener("line", (e) => this.#count(/** @type {CustomEvent} */ (e).detail), { signal });
    document.addEventListener("visibilitychange", () => this.#title(), { signal });
    this.addEventListener("dragover", (event) => event.preventDefault(), { signal });
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer?.files.length && room.phase !== "over") this.#composer.sendFiles([...event.dataTransfer.files]);
    }, { signal });
    this.#show();
    this.#title();
  }

  disconnectedCallback() {
    this.#gone.abort();
  }

  /** It is on the page: whoever opened it can write at once. */
  begin() {
    this.#composer.begin();
  }

  /** Beside the log there is room for all panels; above it for one. @param {boolean} wide */
  #arrange(wide) {
    for (const panel of this.querySelectorAll("details")) {
      panel.name = wide ? "" : "side";
      panel.open = wide;
    }
  }

  #show() {
    const { room } = this;
    const is = room.phase === "over" ? "away" : room.phase !== "in" ? "away" : room.hasKey ? "well" : "busy";
    const text = room.phase === "over" ? "Over" : room.phase !== "in" ? "Connection lost; trying again. What you write is sent later."
      : room.hasKey ? "Connected" : "Waiting for a member to hand over the room's key";
    this.dataset.is = is;
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#people.textContent = String(room.members.size);
    const over = room.phase === "over";
    const kind = over ? "over" : room.isOwner ? "owner" : "member";
    if (this.#buttons.dataset.kind !== kind) {
      this.#buttons.dataset.kind = kind;
      this.#buttons.replaceChildren(...this.#actions(kind));
    }
    this.#composer.hidden = over;
    // There is nothing any more that the link leads to.
    this.#inviting.hidden = over;
    if (over && this.#over.hidden) {
      this.#over.hidden = false;
      this.#over.replaceChildren(
        h("p", {}, room.end?.message ?? "The room is over."),
        h("p", {}, h("button", { type: "button", class: "button", on: { click: () => this.dispatchEvent(new Event("back")) } }, "Back to the start")));
    }
  }

  /** @param {string} kind */
  #actions(kind) {
    const { room } = this;
    const leave = async () => {
      if (await confirm({ title: "Leave the room?", text: "What was said is gone from this page. With the invitation you can come again.", yes: "Leave" })) {
        room.leave();
        this.dispatchEvent(new Event("back"));
      }
    };
    const close = async () => {
      if (await confirm({ title: "Close the room for everybody?", text: "Nobody can write or come in any more, and its files are gone.", yes: "Close the room", danger: true })) room.closeRoom();
    };
    return [
      kind === "owner" && h("button", { type: "button", class: "button quiet", on: { click: close } }, "Close room"),
      kind !== "over" && h("button", { type: "button", class: "button quiet", on: { click: leave } }, "Leave"),
    ].filter((button) => button !== false);
  }

  #invite() {
    const { room } = this;
    const invitation = room.invitation;
    if (!invitation) return [];
    const link = writeInvitation(invitation, location.origin + location.pathname);
    const field = h("input", { type: "text", readOnly: true, value: link, "aria-label": "Link to this room", on: { focus: () => field.select() } });
    const copy = h("button", { type: "button", class: "button", on: { click: async () => {
      try {
        await navigator.clipboard.writeText(link);
        say(this, "The link is copied.");
      } catch {
        field.select();
        say(this, "This browser does not let pages copy: the link is selected, copy it yourself.", "error");
      }
    } } }, "Copy link");
    const hint = {
      "link-v1": "The link holds the room's key: give it only to those who may read along, by a way that you trust.",
      "passphrase-v1": "The link opens the door; the words are needed too. Tell them by another way than the link.",
      "wrap-v1": "Members hand the key to whoever joins. Compare safety codes with each of them.",
      server: "Whoever has the link can join and read what follows.",
    }[room.mode];
    return [
      h("div", { class: "field" }, field), copy,
      h("p", { class: "soft" }, hint),
      h("p", { class: "soft" }, "Join key for typing: ", h("code", {}, invitation.joinKey)),
      LOOPBACK.test(location.hostname) && h("p", { class: "soft" }, `The link begins with ${location.origin}, which is this machine only. For others, open this page at the server's https address and invite from there.`),
    ];
  }

  #promise() {
    const { mode } = this.room;
    if (mode === "server") {
      return [
        h("p", {}, "The server has made this room's key and hands it to everybody who joins. Whoever runs the server can read everything."),
        h("p", { class: "soft" }, "For a room that only its members can read, open one with the key in the link."),
      ];
    }
    const weak = {
      "link-v1": "Whoever gets hold of the link can read along. The key does not change when somebody leaves; for that, open a new room.",
      "passphrase-v1": "Whoever knows or guesses the words can read along; the server could try many words at home. The key does not change when somebody leaves; for that, open a new room.",
      "wrap-v1": "Until you have compared safety codes, a dishonest server could sit between you. Whoever leaves cannot read what follows, because the owner's page then makes a new key.",
    }[mode];
    return [
      h("p", {}, "The members of this room. Messages and files are encrypted on your devices; the server passes on what it cannot read."),
      h("p", { class: "soft" }, weak),
      h("p", { class: "soft" }, "The server does see the room's name and description, your names, who writes when and how much, and your addresses. It also serves this page: you trust it to serve an honest one."),
      h("p", { class: "soft" }, "Until this tab is closed it keeps the room's key, so that a reload does not put you out."),
    ];
  }

  /** @param {import("../chat/room.js").Line} line */
  #count(line) {
    if (line.kind === "message" && !line.own && document.hidden) this.#unread += 1;
    this.#title();
  }

  #title() {
    if (!document.hidden) this.#unread = 0;
    document.title = `${this.#unread > 0 ? `(${this.#unread}) ` : ""}${this.room.info.name} - Tablekeep`;
  }
}
