// A small model of the server's room, for tests of what many clients do together: one order of all
// changes, lanes to each connection of which the control lane goes first, and connections that break.

import { applyEdits } from "../../assets/live/edits.js";

const PROMPT = 4;

/** What a role sees: players nothing below keys that start with `gm_`. */
const isSeen = (view, edit) => view === "gm" || !String(edit.path[0]).startsWith("gm_");
const viewOf = (view, scene) =>
  Object.fromEntries(Object.entries(scene).filter(([key]) => view === "gm" || !key.startsWith("gm_")));

export class Table {
  epoch = "e1";
  seq = 0;
  /** Every change, `{seq, edits, by, id}`; those up to `forgotten` cannot be replayed. */ history = [];
  forgotten = 0;
  /** Acks by id. */ acks = new Map();
  /** @type {Set<Connection>} */ connections = new Set();
  nacks = 0;
  merged = 0;

  /**
   * @param {any} scene
   * @param {{ ownCount: boolean }} rules whether one's own changes may be in one's way
   */
  constructor(scene, { ownCount }) {
    this.first = this.scene = scene;
    this.ownCount = ownCount;
  }

  /** The last number before `seq` that a view has seen. */
  before(view, seq) {
    return this.history.findLast((change) => change.seq < seq && change.edits.some((edit) => isSeen(view, edit)))?.seq ?? 0;
  }

  welcome(connection, hello) {
    connection.member = hello.resume_token ?? connection.member;
    connection.view = hello.role;
    const common = {
      type: "welcome", epoch: this.epoch, you: { id: connection.member, role: hello.role, name: hello.name, resume_token: connection.member },
      members: [], chat: [], audio: { tracks: [] }, displays: {}, limits: {}, server_time: 0,
    };
    const isKnown = hello.epoch === this.epoch && hello.seq <= this.seq;
    if (isKnown && hello.seq >= this.forgotten) {
      connection.control.push({ ...common, mode: "resumed", from: hello.seq, to: this.seq });
      for (const change of this.history) if (change.seq > hello.seq) connection.tell(this.frame(connection.view, change));
    } else {
      const mode = hello.epoch === undefined || isKnown ? "snapshot" : "reset";
      connection.control.push({ ...common, mode, seq: this.seq, scene: viewOf(connection.view, this.scene) });
    }
    this.connections.add(connection);
  }

  change(connection, { id, base, edits, scene }) {
    const answer = this.acks.get(id) ?? this.decide(connection, { id, base, edits, scene });
    connection.control.push(answer);
  }

  decide(connection, { id, base, edits, scene }) {
    const conflict = (message) => {
      this.nacks += 1;
      return { type: "nack", id, code: "conflict", message, retry: false, head: this.seq, current: null };
    };
    if (base < this.forgotten || base > this.seq) return conflict("too old");
    const since = this.history.filter((change) => change.seq > base && (this.ownCount || change.by !== connection.member));
    let result;
    const sent = edits ?? difference(viewOf(connection.view, this.at(base)), scene);
    try {
      if (since.some((change) => sent.some((mine) => change.edits.some((theirs) => clash(mine, theirs))))) return conflict("changed meanwhile");
      result = applyEdits(this.scene, sent);
    } catch (error) {
      return conflict(error.message);
    }
    this.seq += 1;
    this.scene = result;
    const change = { seq: this.seq, edits: sent, by: connection.member, id };
    this.history.push(change);
    const ack = { type: "ack", id, epoch: this.epoch, seq: this.seq, prev: this.before(connection.view, this.seq) };
    if (base < this.seq - 1) ack.rebased = true;
    if (scene && ack.rebased) ack.edits = sent;
    if (ack.edits) this.merged += 1;
    this.acks.set(id, ack);
    for (const other of this.connections) if (other !== connection) other.tell(this.frame(other.view, change));
    return ack;
  }

  /** The scene as it was. */
  at(seq) {
    return this.history.filter((change) => change.seq <= seq).reduce((scene, change) => applyEdits(scene, change.edits), this.first);
  }

  frame(view, { seq, edits, by }) {
    const seen = edits.filter((edit) => isSeen(view, edit));
    if (seen.length === 0) return null;
    return { type: "change", epoch: this.epoch, seq, prev: this.before(view, seq), edits: seen, by };
  }

  sceneFrame(view) {
    return { type: "scene", epoch: this.epoch, seq: this.seq, scene: viewOf(view, this.scene) };
  }

  /** The last changes are lost, as when somebody restores a backup. */
  goBack(count) {
    const kept = this.history.slice(0, Math.max(0, this.history.length - count));
    for (const { id } of this.history.slice(kept.length)) this.acks.delete(id);
    this.history = kept;
    this.seq = kept.at(-1)?.seq ?? 0;
    this.scene = this.at(this.seq);
    this.forgotten = Math.min(this.forgotten, this.seq);
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    for (const connection of this.connections) connection.break();
  }
}

/** The server's end of a socket. */
export class Connection {
  /** Frames on their way to the client. */ control = [];
  state = [];
  /** Messages on their way to the server, by how many of the socket's were taken. */ taken = 0;
  view = "gm";

  constructor(table, socket, member) {
    this.table = table;
    this.socket = socket;
    this.member = member;
  }

  tell(frame) {
    if (frame === null) return;
    this.state.push(frame);
    // Whoever falls behind gets one scene instead.
    if (this.state.length > PROMPT * 4) this.state = [this.table.sceneFrame(this.view)];
  }

  /** Takes one message from the client. */
  take() {
    const message = this.socket.sent[this.taken];
    if (message === undefined) return false;
    this.taken += 1;
    if (message.type === "hello") this.table.welcome(this, message);
    else if (message.type === "change") this.table.change(this, message);
    // Large answers of one's own do not wait in the lanes.
    else if (message.type === "resync") this.control.push(this.table.sceneFrame(this.view));
    else if (message.type === "time") this.control.push({ ...message, t1: 0 });
    return true;
  }

  /** Gives one frame to the client. */
  give() {
    const frame = this.control.shift() ?? this.state.shift();
    if (frame === undefined) return false;
    this.socket.says(frame);
    return true;
  }

  break() {
    this.table.connections.delete(this);
    this.taken = Infinity;
    this.control = [];
    this.state = [];
    this.socket.breaks();
  }
}

/** The place that an edit touches, as text of its steps. */
function place({ op, path, value }) {
  const steps = op === "insert" ? [...path, path.at(-1) === "maps" ? { name: value.name } : { id: value.id }] : path;
  return steps.map((step) => JSON.stringify(step));
}

/** Whether two edits meant the same place. A deletion wins over what others did to the thing. */
function clash(mine, theirs) {
  const [a, b] = [place(mine), place(theirs)];
  const length = Math.min(a.length, b.length);
  if (!a.slice(0, length).every((step, i) => step === b[i])) return false;
  return !(mine.op === "delete" && (a.length < b.length || (a.length === b.length && theirs.op === "move")));
}

/** What leads from one scene to another, member by member. */
function difference(from, to) {
  const isOther = (key) => JSON.stringify(from[key]) !== JSON.stringify(to[key]);
  return [
    ...Object.keys(from).filter((key) => !Object.hasOwn(to, key)).map((key) => ({ op: "delete", path: [key] })),
    ...Object.keys(to).filter(isOther).map((key) => ({ op: "set", path: [key], value: to[key] })),
  ];
}
