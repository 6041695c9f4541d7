/**
 * @typedef {import("../api.js").Category} Category
 * @typedef {import("../api.js").Sound} Sound
 * @typedef {{ track: string, sound: Sound, category: Category, folder: string, name: string }} Listed `track`: what
 *   the table calls it; `name`: what people do
 */

/**
 * The sounds by what a table calls them: their id, or where two have one id, the second's address.
 *
 * @param {Record<Category, Record<string, Sound[]>> | null} sounds
 * @returns {Map<string, Listed>}
 */
export function byTrack(sounds) {
  /** @type {Map<string, Listed>} */
  const listed = new Map();
  for (const category of /** @type {Category[]} */ (["loop", "oneshot"])) {
    for (const [folder, group] of Object.entries(sounds?.[category] ?? {})) {
      for (const sound of group) {
        const track = listed.has(sound.id) ? sound.url : sound.id;
        listed.set(track, { track, sound, category, folder, name: sound.title || sound.name });
      }
    }
  }
  return listed;
}
