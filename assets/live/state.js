/**
 * @typedef {{ id: string, name: string, role: string, connections?: number, entries?: string[] }} Member
 * @typedef {{ type?: string, chat_seq: number, from: any, at?: number, to?: any } & Record<string, any>} Line what was
 *   said (`text`) or rolled (`expr`, `dice`, `total`)
 * @typedef {{ track: string, playing: boolean, position: number, started_at: number, volume: number, loop: boolean,
 *   route: "all" | "display" | "gm" }} Track
 */

/** How many lines of the chat are kept. */
const LINES = 500;

/**
 * What is known of the table: the one truth of a page. Only `Live` writes it; the scenes are shared
 * with older ones, so nobody may change them in place.
 *
 * Events (of `CustomEvent`, the value in `detail`):
 * `scene` `{scene, edits, by}` — `edits` lead from the scene shown before to this one, or are null;
 * `pending` own changes that are not confirmed; `waiting`: something asked for has no answer yet, or has one now; `chat` and `rolled`: a line that was not known
 * before (those of the past come before `status` turns `live`); `members` all of them; `audio` and
 * `display`: what was told; `hint` and `signal`; `status`; `conflict` `{id, edits | scene, error}`: a
 * change of one's own was refused and taken back; `reset` `{changes: {id, edits | scene}[]}`: the
 * table's past is another now, and these changes never were; `error`: another refusal;
 * `ended` `{code, reason}`.
 */
export class TableState extends EventTarget {
  /** @type {import("./link.js").Status} */ status = "waiting";
  /** The scene with one's own changes in it; null before the first. @type {any} */ scene = null;
  /** The scene as the server has confirmed it. @type {any} */ confirmed = null;
  /** The number of the confirmed scene. */ seq = 0;
  /** How many changes of one's own are not confirmed. */ pending = 0;
  /** @type {Member | null} */ you = null;
  /** Names of members, also of those who have left, by id. @type {Map<string, string>} */ names = new Map();
  /** @type {Member[]} */ #members = [];
  /** Who has left and holds entries of the order, as far as it is known. @type {Member[]} */ away = [];
  /** Lines and rolls, by `chat_seq`. @type {Line[]} */ chat = [];
  /** `master` is on top of each track's volume, `route` for the GM that of new tracks. @type {{ tracks: Track[], master?: number, route?: Track["route"] }} */ audio = { tracks: [] };
  /** The lasting state of screens, by the member's id. @type {Record<string, any>} */ displays = {};
  /** @type {Record<string, any>} */ limits = {};

  get members() {
    return this.#members;
  }

  set members(members) {
    this.#members = members;
    for (const { id, name } of members) this.names.set(id, name);
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Adds a line that is not there. @param {Line} line @returns {boolean} whether it was new */
  addLine(line) {
    if (typeof line?.chat_seq !== "number") return false;
    const behind = this.chat.findLastIndex((other) => other.chat_seq <= line.chat_seq);
    if (this.chat[behind]?.chat_seq === line.chat_seq) return false;
    this.chat = [...this.chat.slice(0, behind + 1), line, ...this.chat.slice(behind + 1)].slice(-LINES);
    return true;
  }

  /** Somebody came, or is not who they were; also somebody who is away. @param {Member} member */
  putMember(member) {
    // The server tells of entries that are taken from an absent one.
    if (member.connections === 0) return this.removeMember(member);
    this.away = this.away.filter(({ id }) => id !== member.id);
    const at = this.members.findIndex((other) => other.id === member.id);
    this.members = at < 0 ? [...this.members, member] : this.members.map((other, i) => (i === at ? member : other));
    if (this.you?.id === member.id) this.you = { ...this.you, ...member };
  }

  /** Somebody left; what they hold stays theirs. @param {Member} gone */
  removeMember(gone) {
    this.members = this.members.filter(({ id }) => id !== gone.id);
    this.away = this.away.filter(({ id }) => id !== gone.id);
    if ((gone.entries ?? []).length > 0) this.away.push(gone);
  }

  /** What the server tells of the sound: one track, one that is no longer to be heard here, or all. @param {any} told */
  putAudio({ type: _, fade: __, ...told }) {
    if (Array.isArray(told.tracks)) {
      this.audio = /** @type {any} */ (told);
      return;
    }
    const { tracks } = this.audio;
    const isTold = (/** @type {Track} */ { track }) => track === told.track;
    if (told.removed) this.audio = { ...this.audio, tracks: tracks.filter((track) => !isTold(track)) };
    // Each keeps its place in the list.
    else this.audio = { ...this.audio, tracks: tracks.some(isTold) ? tracks.map((track) => (isTold(track) ? told : track)) : [...tracks, told] };
  }

  /** What the server tells of the screens: the lasting state of one, or of all. @param {any} told */
  putDisplay({ target, state, displays }) {
    if (displays) this.displays = displays;
    else if (state) this.displays = Object.fromEntries([...Object.entries(this.displays), [String(target), state]]);
  }
}
