// Tells the table about one's own screen: its size, the way to the server, whether it can be heard.

/** How often the way is looked at, in milliseconds. */
const EVERY = 20_000;
/** The first time, when it has been measured. */
const SOON = 1_500;

/**
 * @param {import("./live.js").Live} live
 * @param {import("./table-sound.js").TableSound | null} sound
 * @param {AbortSignal} signal ends it
 */
export function reportScreen(live, sound, signal) {
  let told = "";
  let rtt = /** @type {number | undefined} */ (undefined);
  const tell = () => {
    /** @type {import("./live.js").Device} */
    const device = {
      width: innerWidth, height: innerHeight, dpr: devicePixelRatio,
      ...(rtt !== undefined && { rtt }), ...(sound && { sound: sound.state }),
    };
    const print = JSON.stringify(device);
    if (print === told) return;
    told = print;
    live.turnTo(device);
  };
  const look = () => {
    const now = live.trip;
    // Only what makes a difference to people.
    if (now !== null && (rtt === undefined || now > 2 * rtt + 10 || now < rtt / 2 - 10)) rtt = Math.round(now);
    tell();
  };
  // On its way to a connection nothing is sent, but the next hello says it.
  live.addEventListener("status", (/** @type {CustomEvent} */ { detail }) => {
    if (detail === "live") setTimeout(() => !signal.aborted && look(), SOON);
  }, { signal });
  sound?.addEventListener("change", tell, { signal });
  let pause = /** @type {any} */ (undefined);
  addEventListener("resize", () => {
    clearTimeout(pause);
    pause = setTimeout(tell, 300);
  }, { signal });
  const timer = setInterval(look, EVERY);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    clearTimeout(pause);
  });
  tell();
}
