// Edits of a JSON document: what the server does to the scene, done here in the same way
// (tests/vectors/edits.json holds both to it).
//
// Documents are never changed in place. An edited document shares everything the edits did not
// touch with the one before, so `before.maps === after.maps` says that no map has changed.
// Only a document's own members count: `__proto__` and `constructor` are keys like any other.

/**
 * @typedef {{ id: string | number, nth?: number } | { name: string | number, nth?: number }} Selector
 *   an element of a list: by `name` in a list called `maps`, else by `id`; of several, the first or the `nth`
 * @typedef {string | Selector} Step
 * @typedef {{ op: "set", path: Step[], value: any }
 *   | { op: "delete", path: Step[] }
 *   | { op: "insert", path: Step[], value: any, before?: Selector | null }
 *   | { op: "move", path: Step[], before?: Selector | null }} Edit
 * @typedef {"invalid" | "no_match" | "not_an_object" | "not_a_list" | "exists" | "too_deep"} EditFault
 */

/** How many objects and lists may stand within each other, and how many steps lead to the deepest place. */
const LEVELS = 64;

/** Why edits cannot be applied: `invalid` ones to no document, the others not to this one. */
export class EditError extends Error {
  /**
   * @param {EditFault} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "EditError";
    this.code = code;
  }
}

/**
 * The document after `edits`: all of them or, when it throws, none.
 *
 * @param {any} document is left as it is
 * @param {Edit[]} edits
 * @returns {any}
 * @throws {EditError}
 */
export function applyEdits(document, edits) {
  check(edits);
  return edits.reduce(applyEdit, document);
}

/**
 * How an element of the list at `path` is named.
 *
 * @param {any} element
 * @param {Step[]} path
 * @returns {Selector | null} null when it has no name
 */
export function selectorOf(element, path) {
  const key = namingKey(path);
  if (!isObject(element) || !Object.hasOwn(element, key) || !isName(element[key])) return null;
  return /** @type {Selector} */ ({ [key]: element[key] });
}

/**
 * What is at a place; undefined when nothing is.
 *
 * @param {any} document
 * @param {Step[]} path
 * @returns {any}
 */
export function valueAt(document, path) {
  let value = document;
  for (const step of path) {
    if (typeof step !== "string") value = Array.isArray(value) ? value[indexIn(value, step)] : undefined;
    else value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}

/**
 * @param {any} document
 * @param {Edit} edit
 */
function applyEdit(document, edit) {
  const { path } = edit;
  const last = path[path.length - 1];
  const parent = path.slice(0, -1);
  switch (edit.op) {
    case "set":
      return replaced(document, parent, (holder) => withMember(holder, last, fitting(edit.value, path.length)));
    case "delete":
      return replaced(document, parent, (holder) => withoutMember(holder, last));
    case "insert":
      return replaced(document, path, (list) => withElement(list, edit.value, edit.before, path));
    case "move":
      return replaced(document, parent, (list) => withElementMoved(list, /** @type {Selector} */ (last), edit.before));
  }
}

/**
 * Replaces what is at a path, and copies only what leads there.
 *
 * @param {any} holder
 * @param {Step[]} path
 * @param {(value: any) => any} change
 * @returns {any}
 */
function replaced(holder, path, change) {
  if (path.length === 0) return change(holder);
  const [step, ...rest] = path;
  if (typeof step !== "string") {
    const at = placeIn(holder, step);
    return spliced(holder, at, 1, replaced(holder[at], rest, change));
  }
  return withKey(holder, step, replaced(member(holder, step), rest, change));
}

/**
 * @param {any} holder
 * @param {Step} step
 * @param {unknown} value
 */
function withMember(holder, step, value) {
  return typeof step === "string" ? withKey(holder, step, value) : spliced(holder, placeIn(holder, step), 1, value);
}

/**
 * @param {any} holder
 * @param {Step} step
 */
function withoutMember(holder, step) {
  if (typeof step !== "string") return spliced(holder, placeIn(holder, step), 1);
  member(holder, step);
  const copy = { ...holder };
  delete copy[step];
  return copy;
}

/**
 * @param {any} list
 * @param {unknown} value
 * @param {Selector | null | undefined} before
 * @param {Step[]} path of the list
 */
function withElement(list, value, before, path) {
  needList(list);
  const selector = /** @type {Selector} */ (selectorOf(value, path));
  if (indexIn(list, selector) >= 0) throw new EditError("exists", `${show(selector)} exists already`);
  // The list is a level of its own.
  return spliced(list, beforeOrEnd(list, before), 0, fitting(value, path.length + 1));
}

/**
 * @param {any} list
 * @param {Selector} selector
 * @param {Selector | null | undefined} before
 */
function withElementMoved(list, selector, before) {
  const at = placeIn(list, selector);
  const to = beforeOrEnd(list, before);
  if (to === at) return list;
  return spliced(spliced(list, at, 1), to > at ? to - 1 : to, 0, list[at]);
}

/**
 * @param {any} holder
 * @param {string} key
 */
function member(holder, key) {
  needObject(holder, key);
  if (!Object.hasOwn(holder, key)) throw new EditError("no_match", `${show(key)} is not there`);
  return holder[key];
}

/**
 * @param {any} list
 * @param {Selector} selector
 */
function placeIn(list, selector) {
  needList(list);
  const at = indexIn(list, selector);
  if (at < 0) throw new EditError("no_match", `${show(selector)} is not there`);
  return at;
}

/**
 * @param {any[]} list
 * @param {Selector} selector
 * @returns {number} -1 when nothing matches
 */
function indexIn(list, selector) {
  const [key, name] = nameIn(selector);
  let left = selector.nth ?? 0;
  return list.findIndex((element) => isObject(element) && Object.hasOwn(element, key) && element[key] === name && left-- === 0);
}

/**
 * @param {any[]} list
 * @param {Selector | null | undefined} before
 */
function beforeOrEnd(list, before) {
  const at = before == null ? -1 : indexIn(list, before);
  return at < 0 ? list.length : at;
}

/**
 * @param {any[]} list
 * @param {number} at
 * @param {number} count how many to take out
 * @param {...unknown} values what to put there
 */
function spliced(list, at, count, ...values) {
  const copy = list.slice();
  copy.splice(at, count, ...values);
  return copy;
}

/**
 * @param {any} holder
 * @param {string} key
 * @param {unknown} value
 */
function withKey(holder, key, value) {
  needObject(holder, key);
  // An assignment to `__proto__` would make no member.
  return Object.defineProperty({ ...holder }, key, { value, writable: true, enumerable: true, configurable: true });
}

/**
 * Throws unless these are edits, whatever the document.
 *
 * @param {any} edits
 */
function check(edits) {
  need(Array.isArray(edits), "edits are a list");
  for (const edit of edits) {
    need(isObject(edit) && ["set", "delete", "insert", "move"].includes(edit.op), "an edit is a set, delete, insert or move");
    const { op, path } = edit;
    checkPath(path);
    if (op === "set" || op === "insert") need(Object.hasOwn(edit, "value"), `${op} needs a value`);
    if (op === "insert") need(typeof path[path.length - 1] === "string", "the path of an insert ends with its list");
    if (op === "insert") need(selectorOf(edit.value, path) !== null, `what is inserted needs its ${namingKey(path)}`);
    if (op === "move") need(typeof path[path.length - 1] !== "string", "only an element can be moved");
    if ((op === "insert" || op === "move") && edit.before != null) {
      checkSelector(edit.before, op === "insert" ? path : path.slice(0, -1));
    }
    if (op === "set" || op === "delete") checkName(edit);
  }
}

/** @param {any} path */
function checkPath(path) {
  need(Array.isArray(path) && path.length > 0 && path.length <= LEVELS, `a path has 1 to ${LEVELS} steps`);
  path.forEach((/** @type {any} */ step, /** @type {number} */ i) => {
    if (typeof step === "string") return;
    need(i > 0 && typeof path[i - 1] === "string", "a selector follows the key of its list");
    checkSelector(step, path.slice(0, i));
  });
}

/**
 * @param {any} selector
 * @param {Step[]} path of its list
 */
function checkSelector(selector, path) {
  const key = namingKey(path);
  need(isObject(selector) && Object.hasOwn(selector, key) && isName(selector[key]), `a selector here has a ${key}`);
  need(Object.keys(selector).every((other) => other === key || other === "nth"), `a selector has a ${key} and nth only`);
  const { nth = 0 } = selector;
  need(Number.isInteger(nth) && nth >= 0 && nth < 2 ** 32, "nth is a whole number from 0 on");
}

/**
 * An element keeps its name: another name is another element.
 *
 * @param {Extract<Edit, { op: "set" | "delete" }>} edit
 */
function checkName(edit) {
  const { path } = edit;
  const [last, above] = [path[path.length - 1], path[path.length - 2]];
  const message = "an element keeps its name";
  if (typeof last !== "string") {
    if (edit.op === "delete") return;
    const [key, name] = nameIn(last);
    need(isObject(edit.value) && Object.hasOwn(edit.value, key) && edit.value[key] === name, message);
  } else if (typeof above === "object" && Object.hasOwn(above, last)) {
    need(edit.op === "set" && edit.value === nameIn(above)[1], message);
  }
}

/**
 * A value that is not too deep for its place.
 *
 * @param {unknown} value
 * @param {number} above how many objects and lists it stands in
 */
function fitting(value, above) {
  if (!fits(value, LEVELS - above)) throw new EditError("too_deep", `more than ${LEVELS} levels`);
  return value;
}

/**
 * Whether a value has at most so many levels.
 *
 * @param {unknown} value
 * @param {number} levels
 * @returns {boolean}
 */
function fits(value, levels) {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => fits(inner, levels - 1));
}

/**
 * @param {boolean} holds
 * @param {string} message
 */
function need(holds, message) {
  if (!holds) throw new EditError("invalid", message);
}

/** @param {unknown} value */
function needList(value) {
  if (!Array.isArray(value)) throw new EditError("not_a_list", "there is no list");
}

/**
 * @param {unknown} value
 * @param {string} key
 */
function needObject(value, key) {
  if (!isObject(value)) throw new EditError("not_an_object", `there is no object to hold ${show(key)}`);
}

/**
 * The member that a selector looks at, and what it looks for.
 *
 * @param {Selector} selector
 * @returns {[string, string | number]}
 */
function nameIn({ nth: _, ...names }) {
  return Object.entries(names)[0];
}

/** @param {Step[]} list a list's path */
const namingKey = (list) => (list[list.length - 1] === "maps" ? "name" : "id");

/** @param {unknown} value */
const isName = (value) => typeof value === "string" || typeof value === "number";

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {Step} step */
const show = (step) => JSON.stringify(step);
