/** The cache of nonces and derived keys. */
import { expect, it } from "vitest";
import { LruMap } from "../../src/lru-map.js";

it("holds at most maxSize entries, and evicts the one that was set least recently", () => {
  const map = new LruMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([3, undefined, 4]);
});

it("doesn't return a deleted entry", () => {
  const map = new LruMap<string, number>(2);
  map.set("a", 1);
  map.delete("a");
  expect(map.get("a")).toBeUndefined();
});
