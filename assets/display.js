// The page of a screen at the table: it pairs, waits, and then shows what the GM lets it show.

import { DisplayMenu } from "./display/menu.js";
import { DisplayScreen } from "./display/screen.js";
import { pair } from "./display/pairing.js";
import { Kept } from "./display/kept.js";
import { TableStage } from "./stage/stage.js";

customElements.define("display-menu", DisplayMenu);
customElements.define("display-screen", DisplayScreen);
customElements.define("table-stage", TableStage);

const kept = new Kept(globalThis.localStorage);
const screen = Object.assign(new DisplayScreen(), { kept });
document.getElementById("main")?.append(screen);

// A screen that has been paired once goes on where it was; one that is not let in any more pairs again.
let why = "";
for (;;) {
  const table = kept.table ?? (await pair((state) => screen.showPairing({ ...state, why })));
  kept.table = table;
  const { code } = await screen.show(table);
  kept.table = null;
  why = code === 4403 ? "The GM has removed this screen from the table." : code === 4404 ? "The table that this screen belonged to is gone." : "";
}
