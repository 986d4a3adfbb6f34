/** Results of a store, which may be synchronous. */

/** Whether the value is a promise, or a thenable of a store's SDK. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value;
}
