import { h, icon, say } from "../dom.js";

/**
 * Takes files by a button, and by dropping them anywhere on `area`.
 *
 * @param {{ area: HTMLElement, accept: string, label: string, signal: AbortSignal,
 *   open: () => boolean, take: (files: File[]) => void }} options
 *   `open`: whether files are welcome now
 */
export function dropZone({ area, accept, label, signal, open, take }) {
  const input = h("input", { type: "file", multiple: true, accept, class: "hidden-input", tabIndex: -1, "aria-hidden": "true" });
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    // The same file again must fire "change" again.
    input.value = "";
    if (files.length > 0) take(files);
  });
  const hasFiles = (/** @type {DragEvent} */ e) => e.dataTransfer?.types.includes("Files") ?? false;
  // Entering a child fires before leaving its parent, so count.
  let depth = 0;
  const over = (/** @type {boolean} */ is) => area.classList.toggle("dragged-over", is);
  area.addEventListener("dragenter", (e) => {
    if (!hasFiles(e) || !open()) return;
    depth += 1;
    over(true);
  }, { signal });
  area.addEventListener("dragleave", (e) => {
    if (!hasFiles(e) || depth === 0) return;
    depth -= 1;
    if (depth === 0) over(false);
  }, { signal });
  area.addEventListener("dragover", (e) => {
    if (!hasFiles(e)) return;
    e.preventDefault();
    if (e.dataTransfer) e.dataTransfer.dropEffect = open() ? "copy" : "none";
  }, { signal });
  area.addEventListener("drop", (e) => {
    e.preventDefault();
    depth = 0;
    over(false);
    if (!open() || !e.dataTransfer) return;
    const { files, folders } = dropped(e.dataTransfer);
    if (folders.length > 0) say(area, `${folders.join(", ")}: folders are not taken; open them and drop the files.`, "error");
    if (files.length > 0) take(files);
  }, { signal });
  return h("div", { class: "drop-zone" },
    input,
    h("button", { type: "button", class: "button", on: { click: () => input.click() } }, icon("upload"), "Choose files"),
    h("span", { class: "drop-hint" }, label),
  );
}

/**
 * A dropped folder looks like a file until somebody reads it.
 *
 * @param {DataTransfer} transfer
 */
function dropped(transfer) {
  /** @type {{ files: File[], folders: string[] }} */
  const found = { files: [], folders: [] };
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    const file = item.getAsFile();
    if (entry?.isDirectory) found.folders.push(entry.name);
    else if (file) found.files.push(file);
  }
  return found;
}
