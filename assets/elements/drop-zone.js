import { h, icon, say } from "../dom.js";
import { count } from "../format.js";

/** So many files are taken at once, and from folders so deep within each other. */
const MOST_FILES = 5_000;
const MOST_LEVELS = 20;

/**
 * @typedef {object} Taking how files came
 * @property {(file: File) => string} folderOf the folder that a file was in among what was given, empty for none
 * @property {Element | null} at what they were dropped on
 */

/**
 * Takes files by a button, and by dropping them anywhere on `area`.
 *
 * @param {{ area: HTMLElement, accept: string, label: string, signal: AbortSignal,
 *   open: () => boolean, take: (files: File[], how: Taking) => void, folders?: (file: File) => boolean }} options
 *   `open`: whether files are welcome now; `folders`: whole folders are welcome too, and of them the files of which it says yes
 */
export function dropZone({ area, accept, label, signal, open, take, folders }) {
  const chooser = (/** @type {boolean} */ isFolder) => {
    const input = h("input", { type: "file", multiple: true, accept, webkitdirectory: isFolder, class: "hidden-input", tabIndex: -1, "aria-hidden": "true" });
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])].map((file) => ({ file, folder: folderOf(file.webkitRelativePath), isInside: isFolder }));
      // The same file again must fire "change" again.
      input.value = "";
      give(files, null);
    });
    return input;
  };
  /** @param {Found[]} found @param {Element | null} at */
  const give = (found, at) => {
    const isOurs = (/** @type {Found} */ { file, isInside }) => !isInside || (folders?.(file) ?? false);
    const some = found.filter(isOurs).slice(0, MOST_FILES);
    const others = found.length - found.filter(isOurs).length;
    const tooMany = found.length - others - some.length;
    if (tooMany > 0) say(area, `That is more than ${MOST_FILES} files: the last ${tooMany} are left out.`, "error");
    else if (found.length > 0 && some.length === 0) say(area, "There is nothing in that folder that belongs here.", "error");
    else if (others > 0) say(area, `${count(others, "file")} of another kind left out.`);
    const where = new Map(some.map(({ file, folder }) => [file, folder]));
    if (some.length > 0) take(some.map(({ file }) => file), { folderOf: (file) => where.get(file) ?? "", at });
  };
  const input = chooser(false);
  const folderInput = folders ? chooser(true) : null;
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
  area.addEventListener("drop", async (e) => {
    e.preventDefault();
    depth = 0;
    over(false);
    if (!open() || !e.dataTransfer) return;
    const at = /** @type {Element} */ (e.target);
    // What a drop brought is gone once this handler has returned; its entries stay.
    const { files, entries } = dropped(e.dataTransfer);
    if (entries.length > 0 && !folders) say(area, `${entries.map(({ name }) => name).join(", ")}: folders are not taken; open them and drop the files.`, "error");
    give(files, at);
    if (entries.length === 0 || !folders) return;
    try {
      give(await within(entries), at);
    } catch {
      say(area, "A dropped folder could not be read.", "error");
    }
  }, { signal });
  return h("div", { class: "drop-zone" },
    input, folderInput,
    h("button", { type: "button", class: "button", on: { click: () => input.click() } }, icon("upload"), "Choose files"),
    folderInput && h("button", { type: "button", class: "button quiet", on: { click: () => folderInput.click() } }, icon("folder"), "Choose a folder"),
    h("span", { class: "drop-hint" }, label),
  );
}

/** @typedef {{ file: File, folder: string, isInside: boolean }} Found `isInside`: it came with a folder, not by itself */

/**
 * A dropped folder looks like a file until somebody reads it.
 *
 * @param {DataTransfer} transfer
 */
function dropped(transfer) {
  /** @type {{ files: Found[], entries: FileSystemDirectoryEntry[] }} */
  const found = { files: [], entries: [] };
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    const file = item.getAsFile();
    if (entry?.isDirectory) found.entries.push(/** @type {FileSystemDirectoryEntry} */ (entry));
    else if (file) found.files.push({ file, folder: "", isInside: false });
  }
  return found;
}

/**
 * The files in folders, and in the folders within.
 *
 * @param {FileSystemDirectoryEntry[]} folders
 */
async function within(folders) {
  /** @type {Found[]} */
  const found = [];
  /** @param {FileSystemDirectoryEntry} folder @param {number} level */
  const walk = async (folder, level) => {
    const reader = folder.createReader();
    for (;;) {
      // A part at a time, until there is none left.
      const part = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve, reject) => reader.readEntries(resolve, reject));
      if (part.length === 0) return;
      for (const entry of part) {
        if (found.length > MOST_FILES) return;
        if (entry.isDirectory && level < MOST_LEVELS) await walk(/** @type {FileSystemDirectoryEntry} */ (entry), level + 1);
        if (!entry.isFile) continue;
        const file = await new Promise((/** @type {(file: File) => void} */ resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
        found.push({ file, folder: folderOf(entry.fullPath), isInside: true });
      }
    }
  };
  for (const folder of folders) await walk(folder, 1);
  return found;
}

/** @param {string} path of a file, as browsers tell it */
const folderOf = (path) => path.split("/").slice(0, -1).filter(Boolean).join("/");
