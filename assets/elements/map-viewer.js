import { h, icon, iconButton } from "../dom.js";
import { mapPicture } from "./map-picture.js";

/** @typedef {import("../api.js").MapItem} MapItem */

/**
 * Shows a map as large as the window allows; the arrow keys go to its neighbours.
 *
 * @param {MapItem[]} maps
 * @param {number} at
 * @param {(map: MapItem) => string} urlOf
 */
export function viewMap(maps, at, urlOf) {
  const title = h("h2", { id: "viewer-title" });
  const facts = h("p", { class: "viewer-facts" });
  const stage = h("div", { class: "viewer-stage" });
  const original = h("a", { class: "button quiet", target: "_blank", rel: "noopener" }, "Open the file");
  const step = (/** @type {number} */ by) => show((at + by + maps.length) % maps.length);
  const alone = maps.length < 2;
  const turn = (/** @type {"back" | "next"} */ name, /** @type {string} */ label, /** @type {number} */ by) =>
    h("button", { type: "button", class: `icon-button viewer-${name}`, "aria-label": label, title: label, hidden: alone, on: { click: () => step(by) } }, icon(name));
  const dialog = h("dialog", { class: "viewer", "aria-labelledby": "viewer-title", on: {
    close: () => dialog.remove(),
    click: (/** @type {MouseEvent} */ e) => { if (e.target === dialog || e.target === stage) dialog.close(); },
    keydown: (/** @type {KeyboardEvent} */ e) => {
      // The arrow keys of a film's own controls seek in it.
      if (alone || e.target instanceof HTMLVideoElement) return;
      if (e.key === "ArrowRight") step(1);
      if (e.key === "ArrowLeft") step(-1);
    },
  } },
    h("header", {}, h("div", {}, title, facts), original, iconButton("close", "Close the preview", () => dialog.close())),
    stage,
    turn("back", "Previous map", -1),
    turn("next", "Next map", 1),
  );

  /** @param {number} index */
  function show(index) {
    at = index;
    const map = maps[at];
    const where = map.folder ? map.folder.replaceAll("/", " / ") : "Top folder";
    title.textContent = map.name;
    facts.textContent = where;
    original.href = urlOf(map);
    const picture = mapPicture({ name: map.name, url: urlOf(map), alt: `Map ${map.name}`, controls: true,
      failed: () => stage.replaceChildren(h("p", { class: "notice" }, "This map cannot be shown: the file is gone or damaged.")) });
    const measured = () => {
      const [width, height] = picture instanceof HTMLVideoElement
        ? [picture.videoWidth, picture.videoHeight] : [picture.naturalWidth, picture.naturalHeight];
      if (at === index && width > 0) facts.textContent = `${where} · ${width} × ${height} pixels`;
    };
    picture.addEventListener(picture instanceof HTMLVideoElement ? "loadedmetadata" : "load", measured);
    stage.replaceChildren(picture);
  }

  show(at);
  document.body.append(dialog);
  dialog.showModal();
}
