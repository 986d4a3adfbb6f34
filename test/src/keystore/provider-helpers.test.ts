/** The helpers of `hardproof/provider` that have no test file of their own. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ErrorTable,
  isLoopback,
  misconfigured,
  missingPackage,
  signerError,
  streamWithClient,
  withClient,
  withKeyUri,
} from "hardproof/provider";
import { describe, expect, it, vi } from "vitest";

describe("withClient", () => {
  const call = { uri: "test:store", operation: "listing the keys", timeout: 1_000 };
  const newClient = () => ({ keys: ["a"], close: vi.fn(async () => undefined) });

  it("connects, runs the work, and closes the client before it returns", async () => {
    const client = newClient();
    expect(
      await withClient(
        call,
        async () => client,
        async ({ keys }) => keys,
      ),
    ).toEqual(["a"]);
    expect(client.close).toHaveBeenCalledTimes(1);
  });

  it("closes the client if the work fails, and adds the URI to the error", async () => {
    const client = newClient();
    const failing = withClient(
      call,
      async () => client,
      async () => Promise.reject(misconfigured("no")),
    );
    await expect(failing).rejects.toMatchObject({
      code: "misconfigured",
      message: "test:store: no",
      uri: "test:store",
    });
    expect(client.close).toHaveBeenCalledTimes(1);
  });

  it("ends at the timeout, aborts the signal, and closes the client", async () => {
    const client = newClient();
    const slow = withClient(
      { ...call, timeout: 20 },
      async () => client,
      (_, { signal }) => sleep(10_000, "", { signal }),
    );
    await expect(slow).rejects.toMatchObject({ code: "timeout", message: expect.stringContaining("listing the keys") });
    await expect.poll(() => client.close.mock.calls.length).toBe(1);
  });

  it("reports a failed connect, and doesn't run the work", async () => {
    const work = vi.fn();
    const failing = withClient(call, () => Promise.reject(new Error("ECONNREFUSED")), work);
    await expect(failing).rejects.toMatchObject({ code: "unexpected", cause: { message: "ECONNREFUSED" } });
    expect(work).not.toHaveBeenCalled();
  });
});

describe("streamWithClient", () => {
  const call = { uri: "test:store", operation: "listing the keys", timeout: 1_000 };
  const newClient = () => ({ close: vi.fn(async () => undefined) });
  const connectTo = (client: ReturnType<typeof newClient>) => async () => client;

  it("yields the items of all parts, and closes the client at the end", async () => {
    const client = newClient();
    const items: number[] = [];
    const stream = streamWithClient(call, connectTo(client), async function* () {
      yield [1, 2];
      yield [];
      yield [3];
    });
    for await (const item of stream) {
      expect(client.close).not.toHaveBeenCalled();
      items.push(item);
    }
    expect(items).toEqual([1, 2, 3]);
    expect(client.close).toHaveBeenCalledTimes(1);
  });

  it("closes the client before a loop that is left continues, and reads no further part", async () => {
    const client = newClient();
    const next = vi.fn();
    const stream = streamWithClient(call, connectTo(client), async function* () {
      yield [1, 2];
      next();
      yield [3];
    });
    for await (const _ of stream) break;
    expect(client.close).toHaveBeenCalledTimes(1);
    expect(next).not.toHaveBeenCalled();
  });

  it("connects only when the first item is requested", async () => {
    const connect = vi.fn(async () => newClient());
    await streamWithClient(call, connect, async function* () {
      yield [1];
    }).return(undefined);
    expect(connect).not.toHaveBeenCalled();
  });

  it("gives each part a signal and a time of its own", async () => {
    const signals: AbortSignal[] = [];
    const timesLeft: number[] = [];
    const stream = streamWithClient({ ...call, timeout: 60_000 }, connectTo(newClient()), async function* (_, part) {
      for (let count = 0; count < 2; count += 1) {
        signals.push(part.signal);
        timesLeft.push(part.timeLeft);
        await sleep(100);
        yield [count];
      }
    });
    for await (const _ of stream) await sleep(100);
    expect(new Set(signals).size).toBe(2);
    const [first = 0, second = 0] = timesLeft;
    expect(first - second).toBeLessThan(100); // 200 ms have passed between the two
  });

  it("ends at the timeout of a part, aborts its signal, and closes the client when the work has ended", async () => {
    const client = newClient();
    const stream = streamWithClient({ ...call, timeout: 20 }, connectTo(client), async function* (_, { signal }) {
      yield [1];
      await sleep(10_000, undefined, { signal });
    });
    expect(await stream.next()).toEqual({ done: false, value: 1 });
    await expect(stream.next()).rejects.toMatchObject({ code: "timeout", uri: "test:store" });
    await expect.poll(() => client.close.mock.calls.length).toBe(1);
  });

  it("closes a client that is connected only after the timeout", async () => {
    const client = newClient();
    let connected: (client: ReturnType<typeof newClient>) => void = () => undefined;
    const connecting = new Promise<ReturnType<typeof newClient>>((resolve) => {
      connected = resolve;
    });
    const stream = streamWithClient(
      { ...call, timeout: 20 },
      () => connecting,
      async function* () {
        yield [1];
      },
    );
    await expect(stream.next()).rejects.toMatchObject({ code: "timeout" });
    connected(client);
    await expect.poll(() => client.close.mock.calls.length).toBe(1);
  });

  it("adds the URI to the error of a later part, and closes the client before it", async () => {
    const client = newClient();
    const stream = streamWithClient(call, connectTo(client), async function* () {
      yield [1];
      throw misconfigured("no");
    });
    await stream.next();
    await expect(stream.next()).rejects.toMatchObject({ code: "misconfigured", message: "test:store: no" });
    expect(client.close).toHaveBeenCalledTimes(1);
  });
});

describe("ErrorTable", () => {
  const table = new ErrorTable({ NotFound: ["key-not-found", "Check the name."] }, ["unavailable", "Try again."]);

  it("returns the row of a name it lists", () => {
    expect([table.has("NotFound"), table.get("NotFound")]).toEqual([true, ["key-not-found", "Check the name."]]);
  });

  it.each(["Other", "", "constructor", "__proto__"])("returns the fallback for %j", (name) => {
    expect([table.has(name), table.get(name)]).toEqual([false, ["unavailable", "Try again."]]);
  });
});

describe("missingPackage", () => {
  const remedyOf = (message: string) => missingPackage("sdk", "A store", new Error(message), "Rebuild it.").message;

  it("explains how to install a package that isn't installed", () => {
    const expected = "A store needs the package sdk. Install it beside hardproof: npm install sdk.";
    expect(remedyOf("Cannot find package 'sdk' imported from /app/a.js\nRequire stack: …")).toBe(expected);
    for (const message of [
      "Cannot find module 'sdk'",
      "Cannot find module 'sdk' from 'app.js'",
      "Could not find package 'sdk' from referrer 'file:///app/a.js'.", // Deno
      'Import "sdk" not a dependency\n    at file:///app/a.js:1:1', // Deno
    ])
      expect(remedyOf(message)).toBe(expected);
  });

  it("explains how to repair a package that is installed but can't be loaded", () => {
    for (const message of [
      "Cannot find module './addon.node'",
      "Cannot find package 'sdk-core' imported from sdk",
      "x",
    ])
      expect(remedyOf(message)).toBe("A store needs the package sdk. Rebuild it.");
  });

  it("says why a package can't be loaded, if its provider doesn't know a remedy", () => {
    for (const message of ['Dynamic require of "node:https" is not supported', "Unexpected token.\nmore"])
      expect(missingPackage("sdk", "A store", new Error(message)).message).toBe(
        `A store needs the package sdk. It can't be loaded: ${message.split(/\.?\n/, 1)[0]}. In a bundle, leave it external ` +
          "or see docs/bundling.md; otherwise, reinstall it.",
      );
  });

  it("doesn't take what was thrown for an error", () => {
    expect(missingPackage("sdk", "A store", "s3cr3t").message).not.toContain("s3cr3t");
  });
});

describe("isLoopback", () => {
  it.each(["localhost", "app.localhost", "127.0.0.1", "127.8.9.10", "[::1]"])("accepts %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(["localhost.example", "127.0.0.1.example", "0.0.0.0", "10.0.0.1", "[::2]", "::1", ""])(
    "rejects %j",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});

describe("withKeyUri", () => {
  it("adds the URI once", () => {
    const error = withKeyUri("test:key", misconfigured("no"));
    expect(error).toMatchObject({ message: "test:key: no", uri: "test:key" });
    expect(withKeyUri("test:other", error)).toBe(error);
  });

  it("keeps the code and cause of a SignerError, and makes any other error `unexpected`", () => {
    const cause = signerError("test:key", "throttled", "slow");
    expect(withKeyUri("test:key", misconfigured("no", { cause }))).toMatchObject({ code: "misconfigured", cause });
    expect(withKeyUri("test:key", new TypeError("x"))).toMatchObject({ code: "unexpected", cause: { message: "x" } });
  });
});
