/**
 * Starts something that consists of several parts. They are stopped in reverse order when it is disposed of, and also if a
 * later part can't be started.
 *
 * @param start - Calls `onStop` for each part that it has started, with what stops that part.
 */
export async function disposable<T extends object>(
  start: (onStop: (stop: () => unknown) => void) => Promise<T>,
): Promise<T & AsyncDisposable> {
  const stops: (() => unknown)[] = [];
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    const started = await start((stop) => stops.push(stop));
    return { ...started, [Symbol.asyncDispose]: stopAll };
  } catch (error) {
    await stopAll();
    throw error;
  }
}
