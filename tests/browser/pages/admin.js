// Stands in for the GM's page of SpellTable: the same calls in the same order, in both versions.

import { API, call, connect, mapUrl, MODE } from "./client.js";

const newest = MODE === "newest";

/** Updates of the scene a second while something is dragged. */
const DRAG_RATE = newest ? 20 : 30;

/** @type {any} */
let scene = {
  id: "default",
  name: "Default Scene",
  maps: [],
  activeMapId: null,
  gridSettings: newest
    ? { showGrid: true, gridSize: 50, useFixedGrid: true, gridCellsX: 18, gridCellsY: 32 }
    : { showGrid: true, gridSize: 50 },
  initiativeOrder: [],
  ...(newest && { encounterHistory: [] }),
  showCurrentPlayer: true,
  aoeMarkers: [],
  ...(newest && { fogOfWar: [] }),
};

const live = connect((message) => {
  if (message.type !== "scene_update") return;
  scene = message.scene;
  draw();
});

function draw() {
  const shown = scene.maps.map((map) => {
    const img = document.createElement("img");
    img.crossOrigin = "anonymous";
    img.alt = map.name;
    img.width = 200;
    img.src = mapUrl(map);
    return img;
  });
  document.getElementById("table").replaceChildren(...shown);
}

/** What was sent last: an echo on its way may put an older scene in its place for a moment. @type {any} */
let sent = null;

/** The page changes its own scene first, then tells the others. @param {any} next */
function change(next) {
  scene = next;
  sent = next;
  draw();
  live.send({ type: "scene_update", scene });
}

globalThis.admin = {
  live,
  get scene() {
    return scene;
  },
  get sent() {
    return sent;
  },
  call,
  send: live.send,

  /** Sends the chosen file to the maps. @param {string} [folder] */
  async upload(folder) {
    const form = new FormData();
    form.append("file", document.getElementById("file").files[0]);
    if (folder) form.append("folder", folder);
    const answer = await fetch(`${API}/maps/upload`, { method: "POST", body: form });
    return { status: answer.status, body: await answer.json() };
  },

  /** Opens the map manager, which throws maps out of the scene that the list lacks. */
  async manageMaps() {
    const [{ body: { maps } }, , { body: { folders } }] = await Promise.all([
      call("GET", "/maps/list"), call("GET", "/maps/list"), call("GET", "/maps/folders"),
    ]);
    const known = new Set(maps.map((map) => map.name));
    change({ ...scene, maps: scene.maps.filter((map) => known.has(map.name)) });
    return { maps, folders };
  },

  /** Puts a map on the scene, still hidden. @param {string} name */
  async use(name) {
    const { body: { maps } } = await call("GET", "/maps/list");
    const map = maps.find((map) => map.name === name);
    const data = { position: { x: 9, y: 16 }, ...(newest && { useGridCoordinates: true, useGridScaling: true }), scale: 1, rotation: 0, isHidden: true };
    change({ ...scene, maps: [...scene.maps, { name: map.name, folder: map.folder, data }], activeMapId: map.name });
  },

  /** @param {string} name */
  show(name) {
    change({ ...scene, maps: scene.maps.map((map) => (map.name === name ? { ...map, data: { ...map.data, isHidden: false } } : map)) });
  },

  /** Drags the first map for a while; resolves when it is let go. @param {number} updates */
  drag(updates) {
    return new Promise((resolve) => {
      let step = 0;
      const timer = setInterval(() => {
        step += 1;
        const [first, ...rest] = scene.maps;
        const position = { x: 9 + step * 0.375, y: 16 - step / 3 };
        change({ ...scene, maps: [{ ...first, data: { ...first.data, position } }, ...rest] });
        if (step < updates) return;
        clearInterval(timer);
        resolve(position);
      }, 1000 / DRAG_RATE);
    });
  },

  /** Lays an area on the table. @param {string} id */
  mark(id) {
    const area = { id, shape: "cone", sizeInFeet: 15, color: "#ff8800", position: { x: 120.5, y: 80.25 }, rotation: 45, opacity: 0.5, label: "Burning Hands" };
    change({ ...scene, aoeMarkers: [...scene.aoeMarkers, newest ? { ...area, useGridCoordinates: true, revealed: true } : area] });
  },

  fight() {
    const entry = (id, name, initiative, isPlayer) => ({ id, name, initiative, isPlayer, isCurrentTurn: false, isKilled: false, hp: 12, initialHP: 20 });
    const order = [entry("i1", "Brenna", 21, true), entry("i2", "Gnoll", 14, false)];
    order[0].isCurrentTurn = true;
    change({ ...scene, initiativeOrder: order });
  },

  /** Hides a part of the map (newest only). */
  fog() {
    const area = { id: "f1", points: [{ x: 0, y: 0 }, { x: 4, y: 0 }, { x: 4, y: 4.5 }], useGridCoordinates: true, color: "#000000", opacity: 1 };
    change({ ...scene, fogOfWar: [...scene.fogOfWar, area] });
  },

  /** Saves under a new name with an id of the page's own; the server's answer is not looked into. */
  async saveAs(name) {
    const next = { ...scene, id: String(Date.now()), name };
    const answer = await call("POST", "/scenes/save", next);
    if (answer.ok) change(next);
    return answer;
  },

  save: () => call("PUT", `/scenes/${scene.id}`, scene),

  /** @param {string} id */
  async load(id) {
    const answer = await call("GET", `/scenes/load/${id}`);
    if (answer.ok) change(answer.body);
    return answer;
  },

  /** The page knows what it asked for, and does not wait to be told. */
  renamed(from, to) {
    if (scene.maps.every((map) => map.name !== from)) return;
    scene = { ...scene, maps: scene.maps.map((map) => (map.name === from ? { ...map, name: to } : map)), activeMapId: scene.activeMapId === from ? to : scene.activeMapId };
    draw();
  },
};
