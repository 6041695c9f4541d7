import { encodePath } from "./format.js";

/**
 * @typedef {{ name: string, folder: string | null }} MapItem
 * @typedef {{ name: string, path: string, parent: string | null, category?: Category }} Folder
 * @typedef {"loop" | "oneshot"} Category
 * @typedef {{ id: string, name: string, url: string, path: string, duration: number | null,
 *   title: string | null, artist: string | null, bytes: number }} Sound
 * @typedef {{ id: string, name: string, folder?: string | null, activeMapId?: string | null,
 *   maps?: { name: string, folder?: string | null }[], initiativeOrder?: unknown[] }} Scene
 * @typedef {{ files: number, folders: number, skipped: number }} LibraryHealth
 * @typedef {{ status: string, version: string, scanning: boolean, maps: LibraryHealth,
 *   scenes: LibraryHealth, sounds: LibraryHealth & { unread: number } }} Health
 */

const UNREACHABLE = "The server does not answer. Is it still running?";

/** How many characters the server keeps of the name of a player or a screen. */
export const LONGEST_NAME = 64;

/** The server said no, or (`status` 0) nothing at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message a sentence for people
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Promise<Health>} */
export const health = () => call("GET", "/health");

/** @returns {Promise<{ image_bytes: number, sound_bytes: number }>} */
export const limits = () => call("GET", "/limits");

/** @returns {Promise<MapItem[]>} */
export const maps = async () => (await call("GET", "/maps/list")).maps;

/** @returns {Promise<Folder[]>} */
export const mapFolders = async () => (await call("GET", "/maps/folders")).folders;

/** @param {string} path the new folder's, from the top */
export const makeMapFolder = (path) => call("POST", "/maps/folder", folderBody(path));

/**
 * Where a map's file is.
 *
 * @param {{ name: string, folder?: string | null }} map
 */
export const mapUrl = ({ name, folder }) => `/maps/file/${encodePath(folder ?? "", name)}`;

/** @param {MapItem} map */
export const deleteMap = (map) => call("DELETE", `/maps/file/${exactly(map)}`);

/**
 * @param {MapItem} map
 * @param {string} newName
 * @returns {Promise<{ message: string, scenes_updated: number }>}
 */
export const renameMap = (map, newName) => call("PUT", `/maps/rename/${exactly(map)}`, { new_name: newName });

/**
 * @param {MapItem} map
 * @param {string} folder
 */
export const moveMap = (map, folder) => call("PUT", `/maps/move/${exactly(map)}`, { folder: folder || null });

/** Deletes a folder with everything in it. @param {string} path */
export const deleteMapFolder = (path) => call("DELETE", `/maps/folder/${encodePath(path)}`);

/**
 * The scenes that show a map.
 *
 * @param {MapItem} map
 * @returns {Promise<{ id: string, name: string }[]>}
 */
export const mapUses = async ({ name, folder }) =>
  (await call("GET", `/maps/uses/${encodePath(folder ?? "", name)}`)).scenes;

/** @returns {Promise<{ scenes: Scene[], folders: Folder[] }>} */
export const scenes = () => call("GET", "/scenes/list");

/**
 * A saved scene whole, and the entity tag of its file.
 *
 * @param {string} id
 * @returns {Promise<{ scene: any, tag: string }>}
 */
export async function loadScene(id) {
  const { value, tag } = await exchange("GET", `/scenes/load/${encodeURIComponent(id)}`);
  return { scene: value, tag };
}

/**
 * Saves a new scene.
 *
 * @param {Record<string, any> & { id: string, name: string }} scene
 * @returns {Promise<{ id: string, tag: string }>} the id that the server gave it
 */
export async function saveScene(scene) {
  const { value, tag } = await exchange("POST", "/scenes/save", scene);
  return { id: value.id, tag };
}

/**
 * Replaces a saved scene, if its file is still of that version; else it fails with 412.
 *
 * @param {Record<string, any> & { id: string }} scene whole
 * @param {string} tag
 * @returns {Promise<string>} the tag of the new version
 */
export const updateScene = async (scene, tag) => (await exchange("PUT", `/scenes/${encodeURIComponent(scene.id)}`, scene, { "if-match": tag })).tag;

/** @param {{ id: string }} scene */
export const deleteScene = (scene) => call("DELETE", `/scenes/${encodeURIComponent(scene.id)}`);

/** @param {string} path the new folder's, from the top */
export const makeSceneFolder = (path) => call("POST", "/scenes/folder", folderBody(path));

/** @param {string} path @param {string} newName */
export const renameSceneFolder = (path, newName) => call("PUT", `/scenes/folder/${encodePath(path)}`, { new_name: newName });

/** @param {string} path */
export const deleteSceneFolder = (path) => call("DELETE", `/scenes/folder/${encodePath(path)}`);

/** @returns {Promise<Record<Category, Record<string, Sound[]>>>} */
export const sounds = () => call("GET", "/audio/list");

/** @returns {Promise<Folder[]>} */
export const soundFolders = async () => (await call("GET", "/audio/folders")).folders;

/**
 * @param {Category} category
 * @param {string} path the new folder's, from the category's top
 */
export const makeSoundFolder = (category, path) => call("POST", "/audio/folder", { category, ...folderBody(path) });

/**
 * @param {Category} category
 * @param {Sound} sound
 */
export const deleteSound = (category, sound) => call("DELETE", `/audio/file/${encodePath(category, sound.path)}`);

/** @typedef {{ id: string, name: string }} Table */

/**
 * Whether the table `main` is open to all, and where this browser sits already; takes no seat.
 *
 * @returns {Promise<{ open: boolean, seat: (Table & { role: "player" | "display" }) | null }>}
 */
export const door = () => call("GET", "/tables/join");

/**
 * Joins a table; a cookie remembers it.
 *
 * @param {{ code?: string, role: "player" | "display" }} request without a code: the table that is open to all, if one is
 * @returns {Promise<Table>}
 */
export const joinTable = (request) => call("POST", "/tables/join", request);

/**
 * Asks for a number to show, and then whether the GM has confirmed it.
 *
 * @returns {Promise<{ number: string } | Table>}
 */
export const askToPair = () => call("POST", "/tables/main/pair");

/** Screens that wait to be let in, the newest first. @returns {Promise<{ number: string, seconds: number }[]>} */
export const waitingScreens = async () => (await call("GET", "/tables/main/pair")).waiting;

/** Lets the screen in that shows this number. @param {string} number */
export const confirmScreen = (number) => call("PUT", "/tables/main/pair", { number });

/**
 * How others come to the table, and whether somebody has, for the GM.
 *
 * @returns {Promise<{ code: string, needs_code: boolean, addresses: { origin: string, join: string, qr: string }[], local_only: boolean,
 *   reached: { origin: string, page: "join" | "display", seconds: number, count: number } | null }>} `qr`: a picture of `join`, SVG
 */
export const invitation = () => call("GET", "/tables/main/invite");

/** Gives the table another code. @returns {Promise<{ code: string }>} */
export const renewCode = () => call("POST", "/tables/main/code");

/** Signs the GM in; a cookie remembers it. @param {string} password */
export const signIn = (password) => call("POST", "/signin", { password });

/**
 * Where a map's picture is, made small.
 *
 * @param {{ name: string, folder?: string | null }} map
 * @param {number} width in pixels
 */
export const thumbUrl = ({ name, folder }, width) => `/maps/thumb/${encodePath(folder ?? "", name)}?w=${width}`;

/**
 * Sends a file. `fetch` cannot say how much of a body has gone out, hence the older interface.
 *
 * @param {string} path
 * @param {Record<string, string>} fields
 * @param {File} file
 * @param {{ progress: (sent: number, total: number) => void, signal: AbortSignal }} options
 * @returns {Promise<any>} the server's answer
 */
export function upload(path, fields, file, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (e) => progress(e.loaded, e.total));
    request.addEventListener("load", () => {
      const { status } = request;
      if (status >= 200 && status < 300) resolve(parse(request.responseText));
      else reject(new ApiError(status, sentence(status, parse(request.responseText))));
    });
    request.addEventListener("error", () => reject(new ApiError(0, "The connection broke before the file was stored.")));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.open("POST", path);
    request.send(form);
  });
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
const call = async (method, path, body) => (await exchange(method, path, body)).value;

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [more] further headers
 * @returns {Promise<{ value: any, tag: string }>} the answer, and its entity tag
 */
async function exchange(method, path, body, more) {
  /** @type {RequestInit} */
  const init = { method, headers: { accept: "application/json", ...more }, cache: "no-cache" };
  if (body !== undefined) {
    init.headers = { accept: "application/json", "content-type": "application/json", ...more };
    init.body = JSON.stringify(body);
  }
  let answer;
  let text;
  try {
    answer = await fetch(path, init);
    text = await answer.text();
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  const value = parse(text);
  if (!answer.ok) throw new ApiError(answer.status, sentence(answer.status, value));
  return { value, tag: answer.headers.get("etag") ?? "" };
}

/** @param {MapItem} map the bare name may exist in several folders, so the folder goes along */
function exactly({ name, folder }) {
  return `${encodeURIComponent(name)}?folder=${encodeURIComponent(folder ?? "")}`;
}

/** @param {string} path */
function folderBody(path) {
  const segments = path.split("/").filter((segment) => segment !== "");
  const name = segments.pop() ?? "";
  return segments.length > 0 ? { folder_name: name, parent_folder: segments.join("/") } : { folder_name: name };
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * What to tell the visitor about an error answer.
 *
 * @param {number} status
 * @param {any} body
 */
function sentence(status, body) {
  const detail = body?.detail;
  const text = Array.isArray(detail) ? detail.map((problem) => problem?.msg).filter(Boolean).join("; ") : detail;
  if (typeof text !== "string" || text === "") return `The server answered with error ${status}.`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
