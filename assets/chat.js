// The chat page: registers the elements, and goes from the start to a room and back.

import { readInvitation } from "./chat/invitation.js";
import { ChatRoom } from "./chat/room.js";
import { prompt } from "./dialogs.js";
import { isAvailable } from "./e2e.js";
import { ChatComposer } from "./elements/chat-composer.js";
import { ChatLog } from "./elements/chat-log.js";
import { ChatMembers } from "./elements/chat-members.js";
import { ChatPlain } from "./elements/chat-plain.js";
import { ChatRoomView } from "./elements/chat-room.js";
import { ChatStart } from "./elements/chat-start.js";
import { StatusLine } from "./elements/status-line.js";

customElements.define("chat-composer", ChatComposer);
customElements.define("chat-log", ChatLog);
customElements.define("chat-members", ChatMembers);
customElements.define("chat-plain", ChatPlain);
customElements.define("chat-room", ChatRoomView);
customElements.define("chat-start", ChatStart);
customElements.define("status-line", StatusLine);

/** An invitation that was not accepted yet survives a reload, in this tab only. */
const INVITED = "tablekeep.invited";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const status = new StatusLine();
document.getElementById("docks")?.append(status);
document.addEventListener("say", (e) => status.hear(e));
// A file that is dropped beside the log must not replace the page.
for (const type of ["dragover", "drop"]) document.addEventListener(type, (e) => e.preventDefault());

/** @param {import("./chat/door.js").Question} question */
function askSecret({ what, again }) {
  const words = what === "passphrase";
  return prompt({
    title: again ? (words ? "These are not the room's words" : "This is not the room's password") : words ? "The room's words" : "The room's password",
    text: words ? "The room is encrypted with words that its members have agreed on." : "The room's door has a password.",
    label: words ? "Words" : "Password",
    yes: again ? "Try again" : "Join",
    secret: !words,
  });
}

/** Takes the invitation out of the address, so that it stands in no history, bookmark or screenshot. */
function invitationFromAddress() {
  if (location.hash.length > 1) {
    const { hash } = location;
    history.replaceState(null, "", location.pathname);
    const invitation = readInvitation(hash);
    if (invitation) sessionStorage.setItem(INVITED, hash);
    else status.show("This link is not whole: a part at its end is missing. Copy all of it again.", "error");
  }
  return readInvitation(sessionStorage.getItem(INVITED) ?? "");
}

/** @param {{ trouble?: string }} [more] */
function start({ trouble = "" } = {}) {
  document.title = "Chat - Tablekeep";
  document.body.classList.remove("in-room");
  const view = Object.assign(new ChatStart(), { invitation: invitationFromAddress(), trouble });
  view.addEventListener("create", (e) => enter(ChatRoom.create(/** @type {CustomEvent} */ (e).detail, { askSecret }), view));
  view.addEventListener("join", (e) => enter(ChatRoom.join(/** @type {CustomEvent} */ (e).detail, { askSecret }), view));
  view.addEventListener("uninvite", () => {
    sessionStorage.removeItem(INVITED);
    start();
  });
  main.replaceChildren(view);
}

/**
 * @param {ChatRoom} room
 * @param {ChatStart} view shows how it goes
 */
function enter(room, view) {
  const gone = new AbortController();
  const { signal } = gone;
  view.waitFor(room);
  room.addEventListener("entered", () => {
    gone.abort();
    sessionStorage.removeItem(INVITED);
    show(room);
  }, { signal });
  room.addEventListener("over", () => {
    gone.abort();
    view.waitFor(null, room.end?.code === "cancelled" || room.end?.code === "left" ? "" : (room.end?.message ?? ""));
  }, { signal });
  room.run();
}

/** @param {ChatRoom} room */
function show(room) {
  document.body.classList.add("in-room");
  const view = Object.assign(new ChatRoomView(), { room });
  view.addEventListener("back", () => start());
  main.replaceChildren(view);
  view.begin();
}

addEventListener("hashchange", () => {
  if (location.hash.length <= 1 || !isAvailable()) return;
  invitationFromAddress();
  if (document.querySelector("chat-start")) start();
  else status.show("You are in a room already. Leave it to accept the other invitation.", "error");
});

if (!isAvailable()) {
  // The address keeps its fragment: under an address with HTTPS it works.
  main.replaceChildren(new ChatPlain());
} else {
  const room = await ChatRoom.restore({ askSecret });
  if (room) {
    const over = () => start({ trouble: room.end?.message });
    room.addEventListener("over", over, { once: true });
    room.addEventListener("entered", () => {
      room.removeEventListener("over", over);
      show(room);
    }, { once: true });
    start();
    const view = document.querySelector("chat-start");
    if (view instanceof ChatStart) view.waitFor(room);
    room.run();
  } else {
    start();
  }
}
