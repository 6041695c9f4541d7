// What the stand-in pages share: calling the API from another origin, and the live connection.

const asked = new URLSearchParams(location.search);
/** The server's address, such as `http://localhost:8010`. */
export const API = asked.get("api") ?? "http://localhost:8010";
/** As which version of the frontends this page behaves: `seed` or `newest`. */
export const MODE = asked.get("mode") ?? "seed";

/**
 * Calls the API with JSON. The newest frontend names a content type even when nothing is sent, so
 * all its calls are preflighted.
 *
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<{ status: number, ok: boolean, body: any }>}
 */
export async function call(method, path, body) {
  const headers = body !== undefined || MODE === "newest" ? { "Content-Type": "application/json" } : undefined;
  const answer = await fetch(API + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: answer.status, ok: answer.ok, body: await answer.json() };
}

/**
 * Where a map's file is, as each version writes it.
 *
 * @param {{ name: string, folder?: string | null }} map
 */
export function mapUrl({ name, folder }) {
  const file = encodeURIComponent(name);
  if (!folder) return `${API}/maps/file/${file}`;
  const way = MODE === "newest" ? folder.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(folder);
  return `${API}/maps/file/${way}/${file}`;
}

/**
 * The live connection. What is sent before it stands is kept; everything that comes is kept too.
 *
 * @param {(message: any) => void} take
 */
export function connect(take) {
  /** @type {any[]} */
  const received = [];
  /** @type {string[]} */
  const waiting = [];
  const socket = new WebSocket(`${API.replace("http", "ws")}/ws`);
  socket.addEventListener("open", () => waiting.splice(0).forEach((text) => socket.send(text)));
  socket.addEventListener("message", (e) => {
    const message = JSON.parse(e.data);
    received.push(message);
    take(message);
  });
  const send = (/** @type {unknown} */ message) => {
    const text = JSON.stringify(message);
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
    else waiting.push(text);
  };
  return { received, send };
}
