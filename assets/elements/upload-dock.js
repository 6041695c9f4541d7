import { h, iconButton, say } from "../dom.js";
import { count, size } from "../format.js";

/** @typedef {import("../uploads.js").Job} Job */

/** When everything is stored, the list goes by itself after this time, in milliseconds. */
const STAYS = 8000;

/** Shows what is being sent, and how far it is. Set `uploads` before inserting it. */
export class UploadDock extends HTMLElement {
  /** @type {import("../uploads.js").Uploads} */ uploads;
  #gone = new AbortController();
  /** @type {Map<Job, { row: HTMLElement, show: () => void }>} */ #rows = new Map();
  #list = h("ul", {});
  #title = h("h2", {});
  #sum = h("progress", { value: 0, max: 1, "aria-label": "All uploads" });
  #stop = h("button", { type: "button", class: "button quiet small", on: { click: () => this.#stopAll() } }, "Cancel all");
  #timer = 0;

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    this.hidden = true;
    this.setAttribute("aria-label", "Uploads");
    this.setAttribute("role", "region");
    this.replaceChildren(
      h("header", {}, this.#title, this.#stop, iconButton("close", "Close the list of uploads", () => this.#close())),
      this.#sum,
      this.#list,
    );
    this.uploads.addEventListener("add", (e) => this.#add(/** @type {CustomEvent} */ (e).detail), { signal });
    this.uploads.addEventListener("change", (e) => this.#change(/** @type {CustomEvent} */ (e).detail), { signal });
  }

  disconnectedCallback() {
    this.#gone.abort();
    clearTimeout(this.#timer);
  }

  /** @param {Job} job */
  #add(job) {
    const progress = h("progress", { max: Math.max(1, job.total), value: 0, "aria-label": `Sending ${job.file.name}` });
    const words = h("p", { class: "job-words" });
    const cancel = iconButton("close", `Cancel the upload of ${job.file.name}`, () => this.uploads.cancel(job));
    const again = iconButton("repeat", `Send ${job.file.name} again`, () => {
      this.uploads.retry(job);
      cancel.focus();
    });
    const row = h("li", { class: "job" },
      h("p", { class: "job-name" }, h("b", {}, job.file.name), h("span", {}, job.target.where)), cancel, again, progress, words);
    const show = () => {
      row.dataset.phase = job.phase;
      progress.max = Math.max(1, job.total);
      progress.value = job.phase === "stored" ? progress.max : job.sent;
      progress.hidden = job.isOver;
      cancel.hidden = job.isOver;
      again.hidden = job.phase !== "failed" && job.phase !== "cancelled";
      words.textContent = {
        waiting: "Waiting",
        sending: `${size(job.sent)} of ${size(job.total)}`,
        storing: "Sent; the server is storing it",
        stored: `Stored, ${size(job.file.size)}`,
        failed: job.problem,
        cancelled: "Cancelled",
      }[job.phase];
    };
    clearTimeout(this.#timer);
    this.#rows.set(job, { row, show });
    this.#list.append(row);
    show();
    this.#head();
    this.hidden = false;
    // Not scrollIntoView: that would move the page as well.
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {Job} job */
  #change(job) {
    this.#rows.get(job)?.show();
    this.#head();
    clearTimeout(this.#timer);
    if (this.uploads.jobs.every((each) => each.isOver && each.phase !== "failed")) this.#leave();
    if (job.phase === "failed") say(this, `${job.file.name}: ${job.problem}`, "spoken");
    const { jobs } = this.uploads;
    if (job.phase === "stored" && jobs.every((each) => each.isOver)) {
      const stored = jobs.filter((each) => each.phase === "stored").length;
      const failed = jobs.filter((each) => each.phase === "failed").length;
      say(this, `${count(stored, "file")} stored${failed > 0 ? `, ${failed} not` : ""}.`, "spoken");
    }
  }

  #head() {
    const { sent, total, open } = this.uploads.progress;
    this.#title.textContent = open > 0 ? `Sending ${count(open, "file")}, ${size(sent)} of ${size(total)}` : "Uploads";
    this.#sum.hidden = open === 0;
    this.#sum.max = Math.max(1, total);
    this.#sum.value = sent;
    this.#stop.hidden = open < 2;
  }

  #stopAll() {
    for (const job of this.uploads.jobs) this.uploads.cancel(job);
  }

  // Not from under the pointer or the keyboard.
  #leave() {
    this.#timer = setTimeout(() => {
      if (this.matches(":hover, :focus-within")) this.#leave();
      else this.#close();
    }, STAYS);
  }

  #close() {
    for (const job of [...this.#rows.keys()].filter((each) => each.isOver)) {
      this.#rows.get(job)?.row.remove();
      this.#rows.delete(job);
    }
    this.uploads.clear();
    // What is still on its way stays to be seen.
    this.hidden = this.#rows.size === 0;
  }
}
