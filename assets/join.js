// The players' page: the door, and the table behind it.

import { DiceTray } from "./elements/dice-tray.js";
import { StatusLine } from "./elements/status-line.js";
import { TableChat } from "./elements/table-chat.js";
import { TurnOrder } from "./elements/turn-order.js";
import { JoinDoor } from "./join/door.js";
import { PlayerSeat } from "./join/seat.js";
import { TableStage } from "./stage/stage.js";

customElements.define("dice-tray", DiceTray);
customElements.define("join-door", JoinDoor);
customElements.define("player-seat", PlayerSeat);
customElements.define("status-line", StatusLine);
customElements.define("table-chat", TableChat);
customElements.define("table-stage", TableStage);
customElements.define("turn-order", TurnOrder);

/** @typedef {{ id: string, name: string }} Table */

const KEY = "tablekeep.player";
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** On a phone there is no room for an error for long, in milliseconds. */
const ERROR_STAYS = 20_000;
const status = Object.assign(new StatusLine(), { errorStays: ERROR_STAYS });
document.getElementById("docks")?.append(status);
document.addEventListener("say", (e) => status.hear(e));

/** Who one is, and where one sits: a reload goes on there. @returns {{ name: string, table: Table | null }} */
function kept() {
  try {
    const { name, table } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { name: String(name ?? ""), table: typeof table?.id === "string" ? table : null };
  } catch {
    return { name: "", table: null };
  }
}

/** @param {{ name: string, table: Table | null }} me */
function keep(me) {
  try {
    localStorage.setItem(KEY, JSON.stringify(me));
  } catch {
    // A private window: a reload asks again.
  }
}

/** The code of an invitation, taken out of the address so that it stands in no screenshot. */
function codeFromAddress() {
  let code = location.hash.slice(1);
  try {
    code = decodeURIComponent(code);
  } catch {
    // No code has a percent sign: the door says that it is none.
  }
  if (code !== "") history.replaceState(null, "", location.pathname);
  return code;
}

/** @param {{ code?: string, trouble?: string, title?: string }} [why] */
function openDoor({ code = "", trouble = "", title = "" } = {}) {
  document.body.classList.remove("seated");
  document.title = "Join the table - Tablekeep";
  const door = Object.assign(new JoinDoor(), { code, trouble, heading: title, name: kept().name });
  door.addEventListener("enter", (e) => {
    const me = /** @type {CustomEvent} */ (e).detail;
    keep(me);
    sit(me);
  });
  main.replaceChildren(door);
}

/** @param {{ name: string, table: Table }} me */
function sit(me) {
  document.body.classList.add("seated");
  document.title = `${me.table.name} - Tablekeep`;
  const seat = Object.assign(new PlayerSeat(), me);
  seat.addEventListener("rename", (e) => {
    const other = { ...me, name: /** @type {CustomEvent} */ (e).detail };
    keep(other);
    sit(other);
  });
  seat.addEventListener("leave", () => {
    keep({ ...me, table: null });
    openDoor();
  });
  seat.addEventListener("over", (e) => {
    const { code } = /** @type {CustomEvent} */ (e).detail;
    keep({ ...me, table: null });
    if (code === 4403) openDoor({ title: "You were removed from the table", trouble: "The GM has removed you. If that was a mistake, join again." });
    else if (code === 4404) openDoor({ trouble: "That table is closed. Ask your GM for the code of the new one." });
    else openDoor({ trouble: "Your seat has to be taken again." });
  });
  main.replaceChildren(seat);
}

addEventListener("hashchange", () => {
  const code = codeFromAddress();
  if (code !== "") openDoor({ code });
});

const code = codeFromAddress();
const { name, table } = kept();
if (code === "" && table !== null && name !== "") sit({ name, table });
else openDoor({ code });
