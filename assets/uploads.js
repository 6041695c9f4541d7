import { size } from "./format.js";

/** More do not make it faster, and the server takes only so many. */
const AT_ONCE = 3;

/**
 * @typedef {{ path: string, fields: Record<string, string>, where: string, maxBytes: number | null,
 *   done: () => void }} Target
 * @typedef {"waiting" | "sending" | "storing" | "stored" | "failed" | "cancelled"} Phase
 */

/** One file on its way. */
export class Job {
  /** @type {Phase} */ phase = "waiting";
  sent = 0;
  total = 0;
  /** Why it failed, in words. */ problem = "";
  stop = new AbortController();

  /**
   * @param {File} file
   * @param {Target} target
   */
  constructor(file, target) {
    this.file = file;
    this.target = target;
    this.total = file.size;
  }

  get isOver() {
    return this.phase === "stored" || this.phase === "failed" || this.phase === "cancelled";
  }
}

/** Files that wait, a few that are being sent, and those that are done. Fires `add` and `change` with the job. */
export class Uploads extends EventTarget {
  /** @type {Job[]} */ jobs = [];
  #api;

  /** @param {typeof import("./api.js")} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /**
   * @param {Iterable<File>} files
   * @param {Target} target
   */
  add(files, target) {
    for (const file of files) {
      const job = new Job(file, target);
      this.jobs.push(job);
      this.dispatchEvent(new CustomEvent("add", { detail: job }));
    }
    this.#next();
  }

  /** @param {Job} job */
  cancel(job) {
    if (job.isOver) return;
    job.stop.abort();
    if (job.phase === "waiting") this.#set(job, "cancelled");
  }

  /** Sends again what did not arrive. @param {Job} job */
  retry(job) {
    if (job.phase !== "failed" && job.phase !== "cancelled") return;
    job.stop = new AbortController();
    job.sent = 0;
    job.problem = "";
    this.#set(job, "waiting");
    this.#next();
  }

  /** How far all is that is not given up. @returns {{ sent: number, total: number, open: number }} in bytes, and files */
  get progress() {
    const wanted = this.jobs.filter((job) => job.phase !== "failed" && job.phase !== "cancelled");
    const sum = (/** @type {(job: Job) => number} */ of) => wanted.reduce((all, job) => all + of(job), 0);
    return { sent: sum((job) => (job.phase === "stored" ? job.total : job.sent)), total: sum((job) => job.total), open: wanted.filter((job) => !job.isOver).length };
  }

  /** Forgets what is done. */
  clear() {
    this.jobs = this.jobs.filter((job) => !job.isOver);
  }

  #next() {
    const busy = this.jobs.filter((job) => job.phase === "sending" || job.phase === "storing").length;
    const waiting = this.jobs.filter((job) => job.phase === "waiting");
    for (const job of waiting.slice(0, Math.max(0, AT_ONCE - busy))) this.#send(job);
  }

  /** @param {Job} job */
  async #send(job) {
    const { file, target } = job;
    this.#set(job, "sending");
    try {
      if (target.maxBytes !== null && file.size > target.maxBytes) {
        throw new Error(`The file has ${size(file.size)}; the server takes up to ${size(target.maxBytes)}.`);
      }
      await this.#api.upload(target.path, target.fields, file, {
        signal: job.stop.signal,
        progress: (sent, total) => {
          [job.sent, job.total] = [sent, total];
          this.#set(job, sent >= total ? "storing" : "sending");
        },
      });
      this.#set(job, "stored");
      target.done();
    } catch (error) {
      job.problem = error instanceof Error ? error.message : String(error);
      this.#set(job, job.stop.signal.aborted ? "cancelled" : "failed");
    }
    this.#next();
  }

  /**
   * @param {Job} job
   * @param {Phase} phase
   */
  #set(job, phase) {
    job.phase = phase;
    this.dispatchEvent(new CustomEvent("change", { detail: job }));
  }
}
