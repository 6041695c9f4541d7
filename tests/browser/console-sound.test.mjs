// The table's sound: what the GM does on the console is heard where it is sent, and nowhere else.

import assert from "node:assert/strict";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { byTrack } from "../../assets/sound/catalogue.js";
import { aheadBy, beginAt, placeIn, rateFor } from "../../assets/sound/timing.js";
import { DEMO, openPage } from "./server.mjs";
import { POLL, SCENE, faultsOf, numberOf, openGuest, startTable, wear } from "./tables.mjs";

/** Who hears a track is nowhere off by more, in seconds. */
const TOGETHER = 0.1;
const RAIN = "ambience-crypt-drips.ogg";
const FOREST = "ambience-forest-day.ogg";
const CLASH = "combat-sword-clash.ogg";
const DOOR = "doors-heavy-door.ogg";

/** Keeps every sound that a page plays in `played`, why one was not to be heard in `refused`, and what says where it should be. */
function listen() {
  globalThis.played = [];
  globalThis.refused = [];
  globalThis.isTouched = true;
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    if (!(this instanceof HTMLAudioElement)) return play.call(this);
    if (!isTouched) return Promise.reject(new DOMException("nobody has touched this", "NotAllowedError"));
    if (!played.includes(this)) played.push(this);
    const started = play.call(this);
    started.catch((error) => refused.push(String(error)));
    return started;
  };
  /** Those that are heard of a file. */
  globalThis.heard = (name) => played.filter((one) => !one.paused && !one.ended && one.src.includes(name));
  // As a browser does that lets a page be heard.
  globalThis.AudioContext = class {
    state = isTouched ? "running" : "suspended";
    resume() { return isTouched ? Promise.resolve() : new Promise(() => {}); }
    close() { return Promise.resolve(); }
  };
}

/** A table with the demo's sounds, its console on the part that is about sound, and a way to a screen. */
async function startSound(t, prepare = async () => {}) {
  const table = await startTable(t);
  const { server, browser, gm } = table;
  await gm.show(SCENE);
  const sounds = path.join(server.data, "sounds");
  for (const file of ["loop/Ambience/crypt-drips.ogg", "loop/Ambience/forest-day.ogg", "oneshot/Combat/sword-clash.ogg", "oneshot/Doors/heavy-door.ogg"]) {
    await mkdir(path.dirname(path.join(sounds, file)), { recursive: true });
    await copyFile(path.join(DEMO, "sounds", file), path.join(sounds, file));
  }
  await prepare(sounds);
  await gm.until(async () => (await (await fetch("/audio/list")).json()).oneshot.Doors?.length === 1);
  const console = await openConsole(server, gm);
  const openScreen = async () => {
    const screen = await openGuest(browser, { width: 1280, height: 720 });
    await screen.page.evaluateOnNewDocument(listen);
    await screen.page.goto(`${server.base}/display`);
    await gm.pair(await numberOf(screen));
    await screen.until(() => document.querySelector("table-stage").scene !== null);
    return screen;
  };
  return { ...table, sounds, console, openScreen };
}

async function openConsole(server, gm, { isTouched = true } = {}) {
  const { page, problems } = await openPage(gm.page.browserContext());
  await page.setViewport({ width: 1280, height: 800 });
  await page.evaluateOnNewDocument(listen);
  if (!isTouched) {
    await page.evaluateOnNewDocument(() => {
      globalThis.isTouched = false;
      addEventListener("pointerdown", () => { globalThis.isTouched = true; }, { capture: true });
      Object.defineProperty(navigator, "userActivation", { get: () => ({ hasBeenActive: globalThis.isTouched }) });
    });
  }
  await page.goto(`${server.base}/`);
  const until = (test, ...given) => page.waitForFunction(test, POLL, ...given).catch(async (cause) => {
    throw new Error(`waited in vain for ${test} ${JSON.stringify(given)}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
  });
  const open = async () => {
    await until(() => document.querySelector(".console-state")?.textContent === "Live");
    await page.evaluate(() => document.getElementById("side-sounds-tab").click());
    await until(() => document.querySelector(".shelf-sound, .pad, sound-shelf .soft:not([hidden])"));
  };
  await open();
  /** Presses what has this name; of a row of the library, what its name begins with. */
  const press = async (label) => {
    const find = (label) => [...document.querySelectorAll("sounds-panel button")].find((one) => {
      const name = one.getAttribute("aria-label") ?? one.textContent.trim();
      return one.checkVisibility() && !one.disabled && (name === label || (one.matches(".shelf-sound") && name.startsWith(label)));
    });
    const button = await page.waitForFunction(find, POLL, label).catch(async (cause) => {
      throw new Error(`no button ${label}; the page says: ${await page.evaluate(() => document.body.innerText)}`, { cause });
    });
    await button.evaluate((one) => one.click());
  };
  /** Moves a slider as a hand does. */
  const slide = async (label, value) => {
    const slider = await page.waitForFunction((label) => document.querySelector(`sounds-panel [aria-label="${label}"]`)
      ?? [...document.querySelectorAll("sounds-panel label")].find((one) => one.textContent === label)?.querySelector("input"), POLL, label);
    await slider.evaluate((slider, value) => {
      slider.value = String(value);
      for (const type of ["input", "change"]) slider.dispatchEvent(new Event(type, { bubbles: true }));
    }, value);
  };
  const choose = (name, value) => page.$eval(`input[name="${name}"][value="${value}"]`, (one) => one.click());
  return { page, problems, until, open, press, slide, choose };
}

/** Waits until a page hears a track where the table says that it is. */
async function hearsInTime({ page }, gm, track, name) {
  await gm.until((track) => live.state.audio.tracks.some((one) => one.track === track && one.playing), track);
  const now = await gm.act((track) => ({ ...live.state.audio.tracks.find((one) => one.track === track), ahead: live.now() - Date.now() }), track);
  await page.waitForFunction(({ position, started_at, ahead }, name, within) => {
    const [one, ...others] = heard(name);
    if (!one || others.length > 0 || one.seeking || one.readyState < 3) return false;
    const at = position + (Date.now() + ahead - started_at) / 1000;
    return Math.abs(one.currentTime - (one.loop ? at % one.duration : at)) < within;
  }, POLL, now, name, TOGETHER).catch(async (cause) => {
    const seen = await page.evaluate(({ position, started_at, ahead }) => ({
      at: position + (Date.now() + ahead - started_at) / 1000, refused,
      played: played.map(({ src, currentTime, duration, paused, ended, seeking, readyState, playbackRate }) => ({ src, currentTime, duration, paused, ended, seeking, readyState, playbackRate })),
    }), now);
    throw new Error(`not heard in time: ${JSON.stringify({ now, ...seen })}`, { cause });
  });
}

test("a track that the GM starts plays on the screen, in time; pause, seek, volume, repeat and fade reach it", async (t) => {
  const { gm, console, openScreen } = await startSound(t);
  const screen = await openScreen();
  await console.press("Play Crypt Drips");
  for (const page of [screen, console]) await hearsInTime(page, gm, RAIN, "crypt-drips");
  await console.until(() => document.querySelector(".strip .seek").valueAsNumber > 0.5);
  // Another that joins later is where they are.
  const late = await openScreen();
  await hearsInTime(late, gm, RAIN, "crypt-drips");
  await console.slide("Position in Crypt Drips", 20);
  await gm.until(() => live.state.audio.tracks[0].position === 20);
  for (const page of [screen, late, console]) await hearsInTime(page, gm, RAIN, "crypt-drips");
  assert.ok(await screen.page.evaluate(() => heard("crypt-drips")[0].currentTime >= 20));
  await console.slide("Volume of Crypt Drips", 0.4);
  await console.slide("Master volume", 0.5);
  await screen.until(() => Math.abs(heard("crypt-drips")[0].volume - 0.2) < 1e-6);
  assert.equal(await screen.page.evaluate(() => heard("crypt-drips")[0].loop), true);
  await console.press("Repeat Crypt Drips");
  await screen.until(() => !heard("crypt-drips")[0].loop);
  await console.press("Pause Crypt Drips");
  await screen.until(() => heard("").length === 0);
  // In and out in a second.
  await console.slide("Length of fades, in seconds", 1);
  await console.press("Fade in Crypt Drips");
  await screen.until(() => heard("crypt-drips")[0]?.volume > 0 && heard("crypt-drips")[0].volume < 0.19);
  await screen.until(() => Math.abs(heard("crypt-drips")[0].volume - 0.2) < 1e-6);
  await console.press("Fade out Crypt Drips");
  await gm.until(() => !live.state.audio.tracks[0].playing);
  await screen.until(() => heard("crypt-drips")[0]?.volume < 0.19);
  await screen.until(() => heard("").length === 0);
  await console.press("Remove Crypt Drips from the list");
  await gm.until(() => live.state.audio.tracks.length === 0);
  await console.until(() => document.querySelector("sounds-panel").textContent.includes("Nothing plays"));
  for (const { problems } of [screen, late, console]) assert.deepEqual(problems, []);
});

test("the sound moves between the TV and the console, and a player's phone never learns of what is not for all", async (t) => {
  const { server, browser, gm, console, openScreen } = await startSound(t);
  await console.choose("sound-route", "display");
  await console.until(() => document.querySelector(".sound-notes").textContent.includes("No screen is at the table"));
  const screen = await openScreen();
  await console.until(() => !document.querySelector(".sound-notes").hasChildNodes());
  const phone = await openGuest(browser, { width: 390, height: 844 });
  await phone.page.goto(`${server.base}/join#${await gm.code()}`);
  await (await phone.page.waitForSelector('input[name="name"], form input')).type("Ada");
  await phone.page.keyboard.press("Enter");
  await gm.member("Ada");
  await console.press("Play Forest Day");
  await hearsInTime(screen, gm, FOREST, "forest-day");
  assert.equal(await console.page.evaluate(() => heard("").length), 0);
  await console.choose("sound-route", "gm");
  await hearsInTime(console, gm, FOREST, "forest-day");
  await screen.until(() => heard("").length === 0);
  assert.ok(!phone.received.some((text) => text.includes("forest-day")), "not for players");
  await console.choose("sound-route", "all");
  for (const page of [screen, console]) await hearsInTime(page, gm, FOREST, "forest-day");
  for (const { problems } of [screen, console]) assert.deepEqual(problems, []);
});

test("pads play over each other and over themselves, by keyboard too; everything stops at once", async (t) => {
  const { gm, console, openScreen } = await startSound(t);
  const screen = await openScreen();
  await console.press("Play Forest Day");
  await console.choose("shelf", "oneshot");
  await console.slide("Volume of effects", 0.5);
  await console.page.focus(".pad");
  await console.page.keyboard.press("Enter");
  await screen.until(() => heard("sword-clash").length === 1 && heard("sword-clash")[0].volume === 0.5);
  await console.page.keyboard.press("Space");
  await screen.until(() => heard("sword-clash").length === 2);
  await console.page.keyboard.press("ArrowDown");
  await console.page.keyboard.press("Enter");
  await screen.until(() => heard("heavy-door").length === 1 && heard("forest-day").length === 1);
  await console.until(() => document.querySelectorAll(".pad.sounding").length === 2);
  await console.press("Stop all");
  await screen.until(() => heard("").length === 0);
  await gm.until(() => live.state.audio.tracks.every(({ playing }) => !playing));
  // The server is told when an effect is over, so that there is always room for another.
  await console.press("Play Heavy Door");
  await gm.until((door) => live.state.audio.tracks.some(({ track, playing }) => track === door && playing), DOOR);
  await gm.until((door) => live.state.audio.tracks.some(({ track, playing }) => track === door && !playing), DOOR);
  // What is short has no strip, what is long has one.
  assert.deepEqual(await console.page.$$eval(".strip", (all) => all.map(({ dataset }) => dataset.track)), [FOREST]);
  assert.ok((await gm.act(() => live.state.audio.tracks.map(({ track }) => track))).includes(CLASH));
  for (const { problems } of [screen, console]) assert.deepEqual(problems, []);
});

test("a sound is uploaded from the panel into the open folder, found, and played", async (t) => {
  const { gm, console } = await startSound(t);
  await console.page.evaluate(() => {
    const select = document.querySelector("sound-shelf folder-choice select");
    select.value = "Ambience";
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await console.until(() => document.querySelector("sound-shelf .drop-hint").textContent.includes("music, Ambience"));
  const file = path.join(DEMO, "sounds/oneshot/Magic/spell-chime.ogg");
  await (await console.page.$("sound-shelf input[type=file]")).uploadFile(file);
  await console.press("Play Spell Chime");
  await gm.until(() => live.state.audio.tracks.some(({ track, playing, loop }) => track === "ambience-spell-chime.ogg" && playing && loop));
  // Dropped anywhere on the panel, into the other kind's top folder.
  await console.choose("shelf", "oneshot");
  await console.until(() => document.querySelector("sound-shelf .drop-hint").textContent.endsWith("they go to effects"));
  await console.page.evaluate(async () => {
    const transfer = new DataTransfer();
    const bytes = await (await fetch("/audio/file/oneshot/Doors/heavy-door.ogg")).arrayBuffer();
    transfer.items.add(new File([bytes], "trapdoor.ogg", { type: "audio/ogg" }));
    document.querySelector(".sound-head").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await gm.until(async () => (await (await fetch("/audio/list")).json()).oneshot[""]?.some(({ id }) => id === "trapdoor.ogg"));
  await console.until(() => document.querySelector('.pad[data-sound="trapdoor.ogg"]'));
  // Search goes through both kinds and all folders.
  await console.page.type('sound-shelf input[type="search"]', "doors");
  await console.until(() => document.querySelectorAll(".pad").length === 1 && document.querySelectorAll(".shelf-sound").length === 0);
  assert.deepEqual(console.problems, []);
});

test("a reload keeps everything: what plays and where, volumes, the way out, the open shelf", async (t) => {
  const { gm, console } = await startSound(t);
  await console.press("Play Forest Day");
  await console.choose("sound-route", "gm");
  await console.slide("Volume of Forest Day", 0.3);
  await console.slide("Master volume", 0.8);
  await console.choose("shelf", "oneshot");
  await gm.until(() => live.state.audio.master === 0.8 && live.state.audio.route === "gm" && live.state.audio.tracks[0].volume === 0.3);
  await console.page.reload();
  await console.open();
  await hearsInTime(console, gm, FOREST, "forest-day");
  const seen = await console.page.evaluate(() => ({
    volume: document.querySelector(".strip-volume").value, master: document.querySelector(".master input").value,
    route: document.querySelector('input[name="sound-route"]:checked').value, shelf: document.querySelector('input[name="shelf"]:checked').value,
    loud: Math.round(heard("forest-day")[0].volume * 100),
  }));
  assert.deepEqual(seen, { volume: "0.3", master: "0.8", route: "gm", shelf: "oneshot", loud: 24 });
  assert.deepEqual(console.problems, []);
});

test("a page that nobody has touched says that it is silent, and a file that is gone or of no known kind is told in words", async (t) => {
  const { server, gm, sounds, console } = await startSound(t, (sounds) => writeFile(path.join(sounds, "loop/noise.mp3"), Buffer.concat([Buffer.from("ID3\x04\0\0\0\0\0\0", "latin1"), Buffer.alloc(3000, 7)])));
  await console.press("Play Forest Day");
  const silent = await openConsole(server, gm, { isTouched: false });
  await silent.until(() => document.querySelector(".sound-notes").textContent.includes("silent until you click"));
  await silent.until(() => document.querySelector("status-line").textContent.includes("one click anywhere"));
  assert.equal(await silent.page.evaluate(() => heard("").length), 0);
  await silent.page.mouse.click(500, 400);
  await silent.until(() => heard("forest-day").length === 1 && !document.querySelector(".sound-notes").hasChildNodes());
  await silent.page.close();
  await console.press("Play Noise");
  await console.until(() => [...document.querySelectorAll(".strip-note.trouble")].some((note) => note.textContent.includes("cannot play the file")));
  await console.until(() => document.querySelector("status-line").textContent.includes("cannot be played here"));
  await rm(path.join(sounds, "loop/Ambience/forest-day.ogg"));
  await gm.until(async () => !JSON.stringify(await (await fetch("/audio/list")).json()).includes("forest-day"));
  await console.page.reload();
  await console.open();
  await console.until(() => [...document.querySelectorAll(".strip-note.trouble")].some((note) => note.textContent.includes("The file is gone")));
  await console.press(`Remove ${FOREST} from the list`);
  await gm.until((forest) => !live.state.audio.tracks.some(({ track }) => track === forest), FOREST);
});

for (const scheme of ["dark", "light"]) {
  test(`axe finds nothing wrong with the sounds on the console (${scheme}), and nothing is wider than its panel`, async (t) => {
    const { console } = await startSound(t);
    // Without motion, no colour is on its way from one scheme to the other while it is looked at.
    await wear(console.page, scheme);
    assert.deepEqual(await faultsOf(console.page), [], "nothing plays");
    await console.press("Play Forest Day");
    await console.until(() => document.querySelector(".strip.playing"));
    await console.choose("shelf", "oneshot");
    await console.press("Play Sword Clash");
    assert.deepEqual(await faultsOf(console.page), [], "something plays");
    for (const width of [1280, 1024]) {
      await console.page.setViewport({ width, height: 768 });
      const wide = await console.page.evaluate(() => {
        const panel = document.getElementById("side-sounds");
        const right = panel.getBoundingClientRect().left + panel.clientWidth;
        return [...panel.querySelectorAll("*")].filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > right + 1).map((one) => one.outerHTML.slice(0, 80));
      });
      assert.deepEqual(wide, [], `${width} wide`);
    }
  });
}

describe("where a track is", () => {
  const track = { playing: true, position: 10, started_at: 1_000, loop: false };

  test("it goes on with the server's clock, round and round or to its end", () => {
    assert.equal(placeIn(track, 3_500, 60), 12.5);
    assert.equal(placeIn({ ...track, playing: false }, 3_500, 60), 10);
    assert.equal(placeIn(track, 61_000, 60), null);
    assert.equal(placeIn({ ...track, loop: true }, 61_000, 60), 10);
    assert.equal(placeIn(track, 61_000, NaN), 70);
  });

  test("who is a little off is hurried or held up, who is far off jumps", () => {
    assert.equal(rateFor(0.004, 1), 1);
    assert.equal(rateFor(0.02, 1), 1, "as good as together");
    assert.ok(rateFor(0.02, 0.98) < 1, "what is corrected is corrected until it fits");
    assert.ok(rateFor(0.06, 1) < 1 && rateFor(-0.06, 1) > 1);
    assert.equal(rateFor(-0.5, 1), null);
  });

  test("around the end of what goes round the way is the shorter one", () => {
    const round = { loop: true, duration: 60 };
    assert.ok(Math.abs(aheadBy(59.9, 0.1, round) + 0.2) < 1e-9);
    assert.ok(Math.abs(aheadBy(0.1, 59.9, round) - 0.2) < 1e-9);
    assert.equal(aheadBy(50, 10, { ...round, loop: false }), 40);
    assert.ok(Math.abs(beginAt(59.9, 0.2, round) - 0.1) < 1e-9);
  });

  test("an effect that has just been struck is heard from its first moment", () => {
    assert.equal(beginAt(0.06, 0.05, { loop: false, duration: 2 }), 0);
    assert.ok(Math.abs(beginAt(0.5, 0.05, { loop: false, duration: 2 }) - 0.55) < 1e-9);
    assert.equal(beginAt(1.98, 0.05, { loop: false, duration: 2 }), 1.98);
  });

  test("two files of one id are two tracks", () => {
    const sound = (/** @type {string} */ url) => ({ id: "door.ogg", name: "Door", url, path: "door.ogg", duration: 1, title: null, artist: null, bytes: 1 });
    const listed = byTrack({ loop: { "": [sound("/audio/file/loop/door.ogg")] }, oneshot: { "": [sound("/audio/file/oneshot/door.ogg")] } });
    assert.deepEqual([...listed].map(([track, { category }]) => [track, category]), [["door.ogg", "loop"], ["/audio/file/oneshot/door.ogg", "oneshot"]]);
    assert.equal(byTrack(null).size, 0);
  });
});
