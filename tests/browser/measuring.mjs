// What the measurements share: a table that is taken away again, and figures of many.

/**
 * Runs a measurement as a test would be run, and takes away what it has started.
 *
 * @param {(t: { after: (undo: () => unknown) => void }) => Promise<void>} work
 */
export async function measure(work) {
  /** @type {(() => unknown)[]} */
  const undone = [];
  try {
    await work({ after: (undo) => undone.push(undo) });
  } finally {
    for (const undo of undone) await undo();
  }
}

/**
 * @param {number[]} values
 * @param {number} share from 0 to 1: half is the median
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
