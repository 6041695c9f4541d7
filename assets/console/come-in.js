import { fill, h, iconButton } from "../dom.js";
import { OPEN, confirmNewCode } from "./code.js";

/** How often it is asked whether somebody has come, in milliseconds. */
const EVERY = 2_000;
/** Who has not come after so long is not on the way any more. */
const PATIENCE = 60_000;

/** @typedef {Awaited<ReturnType<typeof import("../api.js").invitation>>} Invitation */

/**
 * Shows how others come to the table, and says as soon as somebody has reached the server. Resolves when it
 * is closed.
 *
 * @param {typeof import("../api.js")} api
 * @returns {Promise<void>}
 */
export function comeIn(api) {
  return new Promise((resolve) => {
    const opened = Date.now();
    /** Which of the server's addresses is shown. */ let chosen = "";
    /** @type {Invitation | null} */ let invited = null;
    const picture = h("img", { class: "way-picture", width: 240, height: 240, alt: "" });
    const address = h("p", { class: "way-address" });
    const code = h("output", { class: "way-code" });
    const openWords = h("p", { class: "soft" }, OPEN);
    const screen = h("strong", {});
    const others = h("select", { name: "address", on: { change: () => {
      chosen = others.value;
      if (invited) show(invited);
    } } });
    const othersField = h("label", { class: "field" }, h("span", {}, "If phones do not find that, try another address"), others);
    const way = h("div", { class: "way-in" },
      picture,
      h("div", { class: "way-words" },
        h("p", {}, "Phones scan the code with the camera, or open"), address,
        h("p", { class: "way-line" }, h("span", {}, "Code"), code, h("button", { type: "button", class: "button quiet small", on: { click: () => renew() } }, "New code")),
        openWords,
        h("p", { class: "soft" }, "A TV opens ", screen, " and shows a number; one click under Screens lets it in."),
        othersField));
    const nowhere = h("div", { class: "notice", hidden: true });
    const state = h("p", { class: "way-state", role: "status" });
    const help = h("div", { class: "way-help", hidden: true });
    const dialog = h("dialog", { class: "come-in", "aria-labelledby": "come-in-title", on: {
      close: () => {
        clearInterval(timer);
        dialog.remove();
        resolve();
      },
    } },
      h("header", {}, h("h2", { id: "come-in-title" }, "Come in"), iconButton("close", "Close", () => dialog.close())),
      way, nowhere, state, help);

    async function look() {
      try {
        invited = await api.invitation();
        show(invited);
      } catch (error) {
        tell("away", /** @type {Error} */ (error).message);
      }
    }

    /** @param {Invitation} now */
    function show(now) {
      const { addresses } = now;
      const at = addresses.find(({ origin }) => origin === chosen) ?? addresses[0];
      way.hidden = !at;
      nowhere.hidden = Boolean(at);
      if (at) showWay(now, at);
      else fill(nowhere, ...(now.local_only
        ? [h("h3", {}, "This server is for this machine only"), h("p", {}, "No phone can reach it as it was started. Start it with ", h("code", {}, "--listen 0.0.0.0:8010"), " (or without ", h("code", {}, "--listen"), ").")]
        : [h("h3", {}, "This machine is in no network"), h("p", {}, "Connect it to the Wi-Fi of the table, or let it open a hotspot. The address appears here by itself.")]));
      showReached(now.reached, at);
    }

    /** @param {Invitation} now @param {Invitation["addresses"][number]} at */
    function showWay({ addresses, code: letters, needs_code }, at) {
      const host = hostOf(at.origin);
      if (picture.dataset.shows !== at.join) {
        picture.dataset.shows = at.join;
        picture.src = `data:image/svg+xml,${encodeURIComponent(at.qr)}`;
        picture.alt = `QR code of ${host}/join`;
        // A long name breaks where a person would break it.
        fill(address, h("span", {}, host), h("wbr"), "/join");
        screen.textContent = `${host}/display`;
      }
      code.textContent = letters;
      openWords.hidden = needs_code;
      const origins = addresses.map(({ origin }) => origin);
      if (others.dataset.origins !== origins.join()) {
        others.dataset.origins = origins.join();
        fill(others, ...origins.map((origin) => h("option", { value: origin }, hostOf(origin))));
      }
      others.value = at.origin;
      othersField.hidden = origins.length < 2;
    }

    /** @param {Invitation["reached"]} reached @param {Invitation["addresses"][number]} [at] */
    function showReached(reached, at) {
      const waits = Date.now() - opened;
      help.hidden = Boolean(reached) || !at || waits < PATIENCE;
      if (reached) {
        const who = reached.page === "display" ? "A screen" : "A phone";
        tell("well", `${who} has reached us at ${hostOf(reached.origin)}, ${agoOf(reached.seconds)}`);
      } else if (!at) tell("", "");
      else if (help.hidden) tell("busy", "Waiting for the first phone");
      else {
        tell("away", "No phone has come yet");
        if (!help.hasChildNodes()) fill(help, ...causes(at.origin));
      }
    }

    /** Said aloud when it changes, and not every two seconds. @param {string} is @param {string} words */
    function tell(is, words) {
      if (state.textContent === words) return;
      state.dataset.is = is;
      fill(state, words !== "" && h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, words));
    }

    async function renew() {
      if (!(await confirmNewCode(invited?.needs_code ?? true))) return;
      try {
        await api.renewCode();
      } catch (error) {
        tell("away", /** @type {Error} */ (error).message);
        return;
      }
      await look();
    }

    document.body.append(dialog);
    dialog.showModal();
    look();
    const timer = setInterval(look, EVERY);
  });
}

/** The two usual causes, and what to do. @param {string} origin */
function causes(origin) {
  const port = new URL(origin).port || "80";
  return [
    h("h3", {}, "It is nearly always one of these two"),
    h("dl", {},
      h("dt", {}, "This computer's firewall keeps phones out"),
      h("dd", {}, `Let Tablekeep take connections on TCP port ${port} in private networks. Windows: Windows Security, Firewall, Allow an app. Mac: System Settings, Network, Firewall, Options. Linux: `,
        h("code", {}, `sudo ufw allow ${port}/tcp`), " or ", h("code", {}, `sudo firewall-cmd --add-port=${port}/tcp`), "."),
      h("dt", {}, "The Wi-Fi keeps its devices apart"),
      h("dd", {}, "Guest networks do, and so do many in hotels, cafés and offices. Put phones and computer into the same ordinary network, switch off the router's client isolation, or open a hotspot on one phone and take computer and phones into it.")),
    h("p", { class: "soft" }, "And see that the phone is in this Wi-Fi at all, and not on mobile data."),
  ];
}

/** @param {string} origin */
const hostOf = (origin) => origin.replace(/^http:\/\//, "");

/** @param {number} seconds */
function agoOf(seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}
