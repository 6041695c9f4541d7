// Chat rooms in a few lines, as far as a client can tell: for tests that break connections, lie, and
// look at what a server would see. The real server is tested by its own tests, and in `chat.test.mjs`.

import { randomBytes, randomUUID } from "node:crypto";

const id = () => randomBytes(12).toString("base64url");

export class FakeChat {
  /** @type {Map<string, any>} */ rooms = new Map();
  /** Every message that came in, as it came. */ heard = [];
  /** `before(message, peer)`: answers in the server's place when it returns true. */ before = () => false;
  /** Whether keys for who is away are lost. */ forgetsKeys = false;
  /** What to change in a message on its way out: the lies. */ after = (message) => message;

  /** @param {{ send: (text: string) => void, close: (code: number, reason: string) => void }} wire */
  connect(wire) {
    const peer = { ...wire, room: null, member: null };
    const say = (message) => wire.send(JSON.stringify(this.after(message, peer)));
    peer.say = say;
    return {
      receive: (text) => this.#receive(peer, JSON.parse(text)),
      gone: () => this.#gone(peer),
    };
  }

  /** The member is listed no longer: its grace period is over. */
  timeout(name) {
    for (const room of this.rooms.values()) {
      const member = room.members.find((one) => one.name === name);
      if (member) this.#left(room, member, "timeout");
    }
  }

  /** Everything that the server ever saw, as one text. */
  get everything() {
    return JSON.stringify(this.heard);
  }

  /** Everybody in a room hears it, in one order. */
  tell(room, message, except) {
    const event = { ...message, seq: ++room.seq };
    room.events.push(event);
    for (const member of room.members) if (member !== except) member.peer?.say(event);
  }

  #receive(peer, message) {
    this.heard.push(message);
    const { request_id } = message;
    const answer = (more) => peer.say(request_id === undefined ? more : { ...more, request_id });
    const refuse = (code, text, more = {}) => answer({ type: "Error", code, message: text, retry_after_ms: null, ...more });
    peer.refuse = refuse;
    peer.answer = answer;
    if (this.before(message, peer)) return;
    const { room } = peer;
    if (message.type === "Ping") return answer({ type: "Pong" });
    if (message.type === "CreateRoom") return this.#create(peer, message, answer);
    if (message.type === "PeekRoom" || message.type === "JoinRoom") {
      const found = this.rooms.get(message.join_key);
      if (!found) return refuse("room_not_found", "Room not found");
      if (message.type === "PeekRoom") return answer({ type: "RoomPeek", has_password: found.password !== null, encryption: found.encryption });
      return this.#join(peer, found, message, answer, refuse);
    }
    if (message.type === "ResumeSession") return this.#resume(peer, message, answer, refuse);
    if (!room) return refuse("not_in_room", "Not in a room");
    const of = (name) => room.members.find((one) => one.participant_id === name);
    switch (message.type) {
      case "ChatMessage": {
        const { member } = peer;
        return this.tell(room, { type: "ChatMessage", sender: member.name, sender_id: member.participant_id, content: message.content, message_id: randomUUID(), sent_at: new Date().toISOString() });
      }
      case "UploadFile": {
        const metadata = { id: id(), name: message.name, mime_type: message.mime_type, size: 0 };
        room.files.set(metadata.id, Buffer.from(message.content, "base64"));
        return answer({ type: "FileUploaded", metadata });
      }
      case "ShareKey":
        if (!of(message.to)) return refuse("invalid_key", "Invalid wrapped key");
        return this.#hand(of(message.to), peer.member, message);
      case "GetMembers":
        return answer({ type: "Members", participants: room.members.map(({ name }) => name), members: room.members.map(listed) });
      case "RekeyRoom": {
        const others = room.members.filter((one) => one !== peer.member).map((one) => one.participant_id);
        const given = message.keys.map(({ to }) => to);
        if (message.epoch !== room.encryption.epoch + 1 || others.toSorted().join() !== given.toSorted().join()) return refuse("invalid_key", "Invalid wrapped key");
        for (const { to, wrapped_key } of message.keys) {
          this.#hand(of(to), peer.member, { epoch: message.epoch, wrapped_key });
        }
        room.encryption = { ...room.encryption, epoch: message.epoch };
        this.tell(room, { type: "EpochChanged", epoch: message.epoch }, peer.member);
        return answer({ type: "EpochChanged", epoch: message.epoch, seq: room.seq });
      }
      case "LeaveRoom":
        answer({ type: "RoomLeft" });
        return this.#left(room, peer.member, "left");
      case "CloseRoom":
        for (const { peer } of room.members) peer?.say({ type: "RoomClosed", reason: "owner_closed" });
        this.rooms.delete(room.join_key);
        return;
      default: return refuse("unknown_type", "Unknown message type");
    }
  }

  #create(peer, message, answer) {
    const join_key = randomBytes(8).toString("hex").toUpperCase().match(/.{4}/g).join("-");
    const encryption = message.encryption ? { ...message.encryption, epoch: 0 } : { mode: "server" };
    const room = {
      id: id(), join_key, name: message.name, description: message.description, password: message.password, encryption,
      key: message.encryption ? "" : randomBytes(32).toString("base64"), members: [], events: [], seq: 0, files: new Map(),
    };
    this.rooms.set(join_key, room);
    const member = this.#enter(peer, room, message.owner_name ?? "Owner", message.public_key, true);
    room.seq += 1;
    answer({ type: "RoomCreated", ...this.#welcome(room, member), seq: room.seq });
  }

  #join(peer, room, message, answer, refuse) {
    if (room.password !== null && message.password !== room.password) return refuse("invalid_password", "Invalid password");
    if (room.members.some(({ name }) => name === message.name)) return refuse("name_taken", "Name already taken");
    const member = this.#enter(peer, room, message.name, message.public_key, false);
    const seq = room.seq + 1;
    answer({ type: "RoomJoined", ...this.#welcome(room, member), members: room.members.map(listed), participants: room.members.map(({ name }) => name), seq });
    const { name, participant_id, public_key } = member;
    this.tell(room, { type: "ParticipantJoined", name, participant_id, public_key }, member);
  }

  #resume(peer, message, answer, refuse) {
    for (const room of this.rooms.values()) {
      let member = room.members.find((one) => one.token === message.session_token);
      if (!member && room.goneOwner?.token === message.session_token) {
        member = room.goneOwner;
        room.goneOwner = null;
        room.members.push(member);
        const { name, participant_id, public_key } = member;
        this.tell(room, { type: "ParticipantJoined", name, participant_id, public_key }, member);
      }
      if (!member) continue;
      member.peer?.close(1008, "Resumed elsewhere");
      Object.assign(member, { peer, token: id() });
      Object.assign(peer, { room, member });
      const gap = message.last_seq < room.forgottenUpTo;
      const from = gap ? room.forgottenUpTo : message.last_seq;
      answer({ type: "RoomJoined", ...this.#welcome(room, member), members: room.members.map(listed), seq: from, ...(gap && { gap }) });
      for (const key of member.waiting.splice(0)) peer.say(key);
      for (const event of room.events) if (event.seq > from) peer.say(event);
      return;
    }
    refuse("resume_failed", "Session cannot be resumed");
  }

  /** Whoever is away gets it later, unless the server forgets such things. */
  #hand(to, from, { epoch, wrapped_key }) {
    const message = { type: "KeyShared", from: from.participant_id, epoch, wrapped_key, public_key: from.public_key };
    if (to.peer) to.peer.say(message);
    else if (!this.forgetsKeys) to.waiting.push(message);
  }

  #enter(peer, room, name, public_key, is_owner) {
    const member = { participant_id: randomUUID(), name, is_owner, public_key: public_key ?? null, joined_at: new Date().toISOString(), token: id(), peer, waiting: [] };
    room.members.push(member);
    Object.assign(peer, { room, member });
    return member;
  }

  #welcome(room, member) {
    const { id, name, description, join_key, password, encryption, members } = room;
    const room_info = { id, name, description, join_key, has_password: password !== null, created_at: "2026-01-02T03:04:05.678Z", participant_count: members.length, max_participants: 100, encryption };
    return { room_info, encryption_key: room.key, participant_id: member.participant_id, name: member.name, session_token: member.token };
  }

  #left(room, member, reason) {
    room.members = room.members.filter((one) => one !== member);
    if (member.peer) Object.assign(member.peer, { room: null, member: null });
    if (member.is_owner) room.goneOwner = member;
    const { name, participant_id } = member;
    this.tell(room, { type: "ParticipantLeft", name, participant_id, reason });
  }

  #gone(peer) {
    if (peer.member?.peer === peer) peer.member.peer = null;
  }
}

const listed = ({ participant_id, name, is_owner, joined_at, public_key }) => ({ participant_id, name, is_owner, joined_at, public_key });
