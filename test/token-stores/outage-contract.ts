/** What each token store on a server does while that server is away. */
import { inspect } from "node:util";
import type { TokenStore } from "hardproof";
import { expect, it } from "vitest";
import { token } from "./lock-contract.js";
import type { ServerProcess } from "./server-process.js";

/** A store to test. */
export interface OutageFixture {
  /** The name of the server. */
  readonly title: string;
  /** Returns the running server. */
  server(): ServerProcess;
  /** Creates a store without tokens. */
  newStore(): TokenStore | Promise<TokenStore>;
  /** Creates a store whose lease is longer than a restart of the server. Default: `newStore`. */
  newStoreWithLongLease?(): TokenStore | Promise<TokenStore>;
}

/** Defines the tests. */
export function outageContract({ title, server, newStore, newStoreWithLongLease = newStore }: OutageFixture): void {
  it(`throws unavailable while ${title} is away, with the code and no secret, and works again afterwards`, async () => {
    const store = await newStore();
    await store.set("a", token("a"));
    await server().kill();
    const error = await store.get("a").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "TokenStoreError", code: "unavailable" });
    expect(String(error)).toContain(title);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret");
    await server().start();
    await expect.poll(() => store.get("a").catch(() => undefined), { timeout: 20_000 }).toEqual(token("a"));
  });

  it(`stores a token that was being written when ${title} was restarted`, async () => {
    const store = await newStoreWithLongLease();
    await store.lock?.("a", async () => {
      await server().kill();
      const written = store.set("a", token("a"));
      await server().start();
      await written;
    });
    expect(await store.get("a")).toEqual(token("a"));
  });
}
