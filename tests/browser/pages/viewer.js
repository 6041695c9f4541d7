// Stands in for the players' page of SpellTable: shows what it is told, and asks for nothing else.

import { connect, mapUrl } from "./client.js";

/** @type {any} */
let scene = null;

const live = connect((message) => {
  if (message.type === "scene_update") {
    scene = message.scene;
    draw();
  }
  if (message.type === "blank_viewer" || message.type === "unblank_viewer") {
    document.getElementById("blank").hidden = !message.isBlank;
  }
});

/** Pictures stay while their address does: a drag must not load them again. @type {Map<string, HTMLImageElement>} */
let pictures = new Map();

function draw() {
  const fresh = new Map();
  for (const map of scene.maps.filter((map) => !map.data.isHidden)) {
    const url = mapUrl(map);
    let img = pictures.get(url);
    if (!img) {
      img = document.createElement("img");
      img.crossOrigin = "anonymous";
      img.width = 400;
      img.src = url;
    }
    img.alt = map.name;
    img.style.translate = `${map.data.position.x}px ${map.data.position.y}px`;
    fresh.set(url, img);
  }
  pictures = fresh;
  document.getElementById("table").replaceChildren(...fresh.values());
  document.getElementById("initiative").replaceChildren(...scene.initiativeOrder.map((entry) => {
    const line = document.createElement("li");
    line.textContent = `${entry.name} ${entry.initiative}`;
    return line;
  }));
}

globalThis.viewer = {
  live,
  send: live.send,
  get scene() {
    return scene;
  },

  /** The colour in the middle of a picture; fails when the page may not read it. @param {string} name */
  colour(name) {
    const img = document.querySelector(`img[alt="${name}"]`);
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    pen.drawImage(img, img.naturalWidth / 2, img.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  },
};
