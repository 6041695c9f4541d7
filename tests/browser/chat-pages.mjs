// The chat page on a server in memory, which can be looked into and made to lie.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { WebSocketServer } from "ws";
import { FakeChat } from "./chat-server.mjs";
import { DEMO, later } from "./server.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const POLICY = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/**
 * @param {import("node:test").TestContext} t
 * @param {string} [host] what it listens on
 */
export async function startChatPages(t, host = "127.0.0.1") {
  const chat = new FakeChat();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    try {
      if (pathname.startsWith("/files/")) {
        const rooms = [...chat.rooms.values()].filter(({ members }) => members.some(({ token }) => request.headers.authorization === `Bearer ${token}`));
        const file = rooms.map(({ files }) => files.get(pathname.slice("/files/".length))).find(Boolean);
        response.writeHead(file ? 200 : 404).end(file);
        return;
      }
      const name = pathname === "/chat" ? "chat.html" : path.normalize(pathname.replace(/^\/ui\//, ""));
      const body = await readFile(path.join(DEMO, "assets", name));
      response.writeHead(200, { "content-type": TYPES[path.extname(name)], "content-security-policy": POLICY }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  const sockets = new WebSocketServer({ server, path: "/ws/chat" });
  sockets.on("connection", (socket) => {
    const line = chat.connect({ send: (text) => socket.send(text), close: (code, reason) => socket.close(code, reason) });
    socket.on("message", (data) => line.receive(String(data)));
    socket.on("close", () => line.gone());
  });
  server.listen(0, host);
  await once(server, "listening");
  later(t, () => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  return { chat, base: `http://${host}:${port}`, cut: () => sockets.clients.forEach((socket) => socket.terminate()) };
}
