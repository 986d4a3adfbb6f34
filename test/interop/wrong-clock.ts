/** A wrong clock for this process. */

/** Runs work with a clock of this process that is fast by these seconds. The servers' clocks stay right. */
export async function withClock<T>(seconds: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now.call(Date) + seconds * 1000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}
