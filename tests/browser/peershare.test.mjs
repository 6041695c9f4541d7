// PeerShare's page as this server serves it: what it asks of the public broker it asks of this one.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { later, openPage, startBrowser, startServer } from "./server.mjs";

/** What the client library does when it is given no options, and PeerShare's own socket. */
const CLIENT = `
  const lines = [];
  const done = (what) => { lines.push(what); document.title = lines.join(" "); };
  const cloud = "0.peerjs.com:443";
  const id = await (await fetch(new URL("https://" + cloud + "/peerjs/id?ts=1&version=1.5.5"))).text();
  done("id:" + id.length);
  const again = await (await fetch(new Request("https://" + cloud + "/peerjs/id"), { method: "GET" })).text();
  done("id:" + again.length);
  const socket = new WebSocket("wss://" + cloud + "/peerjs?key=peerjs&id=" + id + "&token=t&version=1.5.5");
  socket.onmessage = ({ data }) => {
    done(JSON.parse(data).type);
    done(socket instanceof WebSocket && socket.readyState === WebSocket.OPEN ? "socket" : "none");
    const groups = new WebSocket(location.origin.replace("http", "ws") + "/ws");
    groups.onmessage = ({ data }) => done(JSON.parse(data).type);
  };
  document.querySelector("output").append((await fetch("/api/health")).status);
`;

test("the page of a build finds its broker here", async (t) => {
  const build = await mkdtemp(path.join(tmpdir(), "tablekeep-build-"));
  later(t, () => rm(build, { recursive: true, force: true }));
  await mkdir(path.join(build, "assets"));
  await writeFile(path.join(build, "assets/app.js"), CLIENT);
  await writeFile(path.join(build, "index.html"), '<link rel="icon" href="data:,"><output></output><script type="module" src="/assets/app.js"></script>');
  const server = await startServer(t, ["--speak", "peershare-new@0", "--client", `peershare-new=${build}`]);
  const { page, problems } = await openPage(await startBrowser(t));
  await page.goto(`${await server.listener("peershare-new")}/group/group_x`);
  await page.waitForFunction(() => document.title.endsWith("connection-established"));
  assert.equal(await page.title(), "id:36 id:36 OPEN socket connection-established");
  assert.equal(await page.$eval("output", (output) => output.textContent), "200");
  assert.deepEqual(problems, []);
});
