// Keeps a screen from going dark.

/** How long the film is that plays where nothing else helps, in milliseconds. */
const FILM = 1_500;

/**
 * Holds the screen awake: by a wake lock where the address allows one (HTTPS, localhost), else by a
 * silent film that is made here and plays for ever, out of sight.
 *
 * @param {HTMLElement} place where the film goes
 * @param {AbortSignal} signal ends it
 */
export async function keepAwake(place, signal) {
  if (await lock(signal)) return;
  const film = document.createElement("video");
  Object.assign(film, { muted: true, loop: true, playsInline: true, disableRemotePlayback: true, tabIndex: -1 });
  film.className = "awake";
  film.setAttribute("aria-hidden", "true");
  const url = await makeFilm().catch(() => null);
  if (signal.aborted || url === null) return;
  film.src = url;
  place.prepend(film);
  const play = () => film.play().catch(() => {});
  play();
  document.addEventListener("visibilitychange", play, { signal });
  // Where even a silent film needs to be asked for.
  addEventListener("pointerdown", play, { signal });
  signal.addEventListener("abort", () => {
    film.remove();
    URL.revokeObjectURL(url);
  });
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} whether this browser has wake locks here
 */
async function lock(signal) {
  if (!("wakeLock" in navigator)) return false;
  /** @type {WakeLockSentinel | null} */
  let held = null;
  const take = async () => {
    if (document.visibilityState !== "visible" || (held !== null && !held.released)) return;
    held = await navigator.wakeLock.request("screen");
  };
  try {
    await take();
  } catch {
    // Refused: low on battery, or by policy.
    return false;
  }
  // The browser takes it back when the page is out of sight.
  document.addEventListener("visibilitychange", () => take().catch(() => {}), { signal });
  signal.addEventListener("abort", () => held?.release());
  return true;
}

/** A short film of nothing. @returns {Promise<string>} its address */
async function makeFilm() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const stream = canvas.captureStream(10);
  const type = ["video/webm;codecs=vp8", "video/mp4", "video/webm"].find((one) => MediaRecorder.isTypeSupported(one));
  const recorder = new MediaRecorder(stream, type ? { mimeType: type, videoBitsPerSecond: 20_000 } : {});
  /** @type {Blob[]} */
  const parts = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  const done = new Promise((resolve, reject) => {
    recorder.addEventListener("stop", resolve);
    recorder.addEventListener("error", reject);
  });
  let shade = 0;
  const paint = setInterval(() => {
    shade = 8 - shade;
    pen.fillStyle = `rgb(${shade} ${shade} ${shade})`;
    pen.fillRect(0, 0, 64, 36);
  }, 100);
  recorder.start();
  setTimeout(() => recorder.stop(), FILM);
  await done;
  clearInterval(paint);
  for (const track of stream.getTracks()) track.stop();
  return URL.createObjectURL(new Blob(parts, { type: recorder.mimeType }));
}
