// What a table's code is good for, in words.

import { confirm } from "../dialogs.js";

/** Of a table whose code keeps nobody out. */
export const OPEN = "Nobody is asked for the code at this table: it is open to all in this network.";

/** Asks whether the table is to have another code. @param {boolean} isNeeded whether anybody is asked for it */
export const confirmNewCode = (isNeeded) => confirm({ title: "Give the table a new code?", yes: "New code", danger: true,
  text: isNeeded ? "Everybody who came with the old one has to come in again, screens too." : `Everybody has to come in again, screens too, but nobody is kept out. ${OPEN}` });
