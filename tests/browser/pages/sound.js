// Stands in for SpellTable's sound board: an element of another origin, wired into Web Audio.

import { API, call } from "./client.js";

const context = new AudioContext();

globalThis.board = {
  context,
  list: async () => (await call("GET", "/audio/list")).body,

  /**
   * Loads a sound as the frontends do; resolves when its length is known.
   *
   * @param {string} url as the list gives it
   */
  load(url) {
    const audio = document.createElement("audio");
    audio.crossOrigin = "anonymous";
    audio.preload = "auto";
    const meter = context.createAnalyser();
    context.createMediaElementSource(audio).connect(meter).connect(context.destination);
    document.body.append(audio);
    Object.assign(globalThis.board, { audio, meter });
    return new Promise((resolve, reject) => {
      audio.addEventListener("loadedmetadata", () => resolve(audio.duration), { once: true });
      audio.addEventListener("error", () => reject(new Error(audio.error.message)), { once: true });
      audio.src = API + url;
    });
  },

  /** @param {number} seconds */
  seek(seconds) {
    const { audio } = globalThis.board;
    return new Promise((resolve, reject) => {
      audio.addEventListener("seeked", () => resolve(audio.currentTime), { once: true });
      audio.addEventListener("error", () => reject(new Error(audio.error.message)), { once: true });
      audio.currentTime = seconds;
    });
  },

  /** Whether anything comes out; an element without CORS headers plays silence into Web Audio. */
  isHeard() {
    const { meter } = globalThis.board;
    const wave = new Float32Array(meter.fftSize);
    meter.getFloatTimeDomainData(wave);
    return wave.some((level) => Math.abs(level) > 0.001);
  },
};
