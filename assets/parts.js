// The parts of the GM's page that are loaded when they are first opened: each imports what it needs, makes its
// elements known, and resolves to a new one. They have no properties yet.

import { define, style } from "./later.js";

/** The saved scenes. */
export async function sceneLibrary() {
  const { SceneLibrary } = await import("./elements/scene-library.js");
  define({ "scene-library": SceneLibrary });
  return new SceneLibrary();
}

/** The sounds and their player. */
export async function soundLibrary() {
  const [{ SoundLibrary }, { SoundPlayer }] = await Promise.all([import("./elements/sound-library.js"), import("./elements/sound-player.js")]);
  define({ "sound-library": SoundLibrary, "sound-player": SoundPlayer });
  return { library: new SoundLibrary(), player: new SoundPlayer() };
}

/** Scenes, beside the table. */
export async function scenesPanel() {
  const [{ ScenesPanel }, { SceneLibrary }] = await Promise.all([import("./console/scenes-panel.js"), import("./elements/scene-library.js")]);
  define({ "scene-library": SceneLibrary, "scenes-panel": ScenesPanel });
  return new ScenesPanel();
}

/** Turns, beside the table. */
export async function turnsPanel() {
  const [{ TurnsPanel }, { TurnOrder }] = await Promise.all([import("./console/turns-panel.js"), import("./elements/turn-order.js")]);
  define({ "turn-order": TurnOrder, "turns-panel": TurnsPanel });
  return new TurnsPanel();
}

/** The table's sound, beside the table. */
export async function soundsPanel() {
  const [{ SoundsPanel }, { SoundShelf }] = await Promise.all([import("./console/sounds-panel.js"), import("./console/sound-shelf.js"), style("mixer.css")]);
  define({ "sound-shelf": SoundShelf, "sounds-panel": SoundsPanel });
  return new SoundsPanel();
}

/** The chat of the table. */
export async function tableChat() {
  const { TableChat } = await import("./elements/table-chat.js");
  define({ "table-chat": TableChat });
  return new TableChat();
}

/** Dice. */
export async function diceTray() {
  const { DiceTray } = await import("./elements/dice-tray.js");
  define({ "dice-tray": DiceTray });
  return new DiceTray();
}
