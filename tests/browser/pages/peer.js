// A page that uses the unchanged PeerJS library as PeerShare does; the test drives it.

/** What has happened, in words. */
const happened = [];
/** @type {Peer} */ let peer;
/** @type {Map<string, DataConnection>} */ const connections = new Map();
const heard = [];
/** @type {HTMLVideoElement | undefined} */ let video;
let comesBack = true;

/** Registers, and comes back at once whenever the broker has gone. */
function start(id, options) {
  peer = new Peer(id, options);
  peer.on("open", (got) => happened.push(`open ${got}`));
  peer.on("error", (error) => happened.push(`error ${error.type}`));
  peer.on("disconnected", () => {
    happened.push("disconnected");
    if (comesBack && !peer.destroyed) peer.reconnect();
  });
  peer.on("connection", keep);
  peer.on("call", async (call) => {
    call.answer(await camera());
    show(call);
  });
}

function camera() {
  return navigator.mediaDevices.getUserMedia({ video: { width: 160, height: 120 }, audio: true });
}

function show(call) {
  call.on("stream", (stream) => {
    // Twice, once for each track.
    if (video) return;
    video = document.createElement("video");
    Object.assign(video, { muted: true, autoplay: true, srcObject: stream });
    document.body.append(video);
  });
}

function keep(connection) {
  connections.set(connection.peer, connection);
  connection.on("data", (data) => heard.push(data));
  connection.on("open", () => happened.push(`connected ${connection.peer}`));
  connection.on("close", () => happened.push(`closed ${connection.peer}`));
}

function connect(id) {
  keep(peer.connect(id, { metadata: { table: "main" } }));
}

async function call(id) {
  show(peer.call(id, await camera()));
}

function send(id, data) {
  connections.get(id).send(data);
}

/** How many pictures, and how much sound, have come from the other. */
async function seen() {
  const calls = Object.values(peer.connections).flat().filter((one) => one.type === "media");
  const stats = calls.length && video ? [...(await calls[0].peerConnection.getStats()).values()] : [];
  const of = (kind) => stats.find((one) => one.type === "inbound-rtp" && one.kind === kind);
  return { pictures: of("video")?.framesDecoded ?? 0, sound: of("audio")?.bytesReceived ?? 0 };
}
