/** Public keys that several signers share. */
import { PublicKeyCache, SignerError } from "hardproof/provider";
import { describe, expect, it, vi } from "vitest";

const later = (): { promise: Promise<string>; resolve(value: string): void; reject(error: unknown): void } => {
  let settle: Omit<ReturnType<typeof later>, "promise"> | undefined;
  const promise = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle ?? expect.unreachable()) };
};

describe("PublicKeyCache", () => {
  it("fetches a public key once, and returns it from then on", async () => {
    const cache = new PublicKeyCache<string>();
    const fetch = vi.fn(async () => "key");
    expect([await cache.get("arn", fetch), await cache.get("arn", fetch)]).toEqual(["key", "key"]);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("shares one request among concurrent callers", async () => {
    const cache = new PublicKeyCache<string>();
    const { promise, resolve } = later();
    const fetch = vi.fn(() => promise);
    const calls = Array.from({ length: 100 }, () => cache.get("arn", fetch));
    resolve("key");
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["key"]));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("fetches different names separately", async () => {
    const cache = new PublicKeyCache<string>();
    expect(await cache.get("a", async () => "1")).toBe("1");
    expect(await cache.get("b", async () => "2")).toBe("2");
  });

  it("gives the store's error to all concurrent callers, and doesn't cache it", async () => {
    const cache = new PublicKeyCache<string>();
    const error = new SignerError("access-denied", "No.");
    const fetch = vi.fn(async () => Promise.reject(error));
    const results = await Promise.allSettled([cache.get("arn", fetch), cache.get("arn", fetch)]);
    expect(results).toEqual(Array(2).fill({ status: "rejected", reason: error }));
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(await cache.get("arn", async () => "key")).toBe("key");
  });

  it.each([
    ["aborts", new SignerError("aborted", "Aborted by the caller.")],
    ["has no time left", new SignerError("timeout", "No response.")],
    ["aborts its client's request", new DOMException("aborted", "AbortError")],
  ])("lets the next caller fetch the key if the one that fetched it %s", async (_, error) => {
    const cache = new PublicKeyCache<string>();
    const { promise, reject } = later();
    const first = cache.get("arn", () => promise);
    const fetch = vi.fn(async () => "key");
    const others = Promise.all([cache.get("arn", fetch), cache.get("arn", fetch)]);
    reject(error);
    await expect(first).rejects.toBe(error);
    expect(await others).toEqual(["key", "key"]);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("fetches a forgotten key again", async () => {
    const cache = new PublicKeyCache<string>();
    await cache.get("arn", async () => "old");
    cache.forget("arn");
    expect(await cache.get("arn", async () => "new")).toBe("new");
  });

  it("is bounded", async () => {
    const cache = new PublicKeyCache<string>();
    for (let n = 0; n <= 1000; n += 1) await cache.get(`key ${n}`, async () => "old");
    expect(await cache.get("key 0", async () => "fetched again")).toBe("fetched again");
    expect(await cache.get("key 1000", async () => "fetched again")).toBe("old");
  });
});
