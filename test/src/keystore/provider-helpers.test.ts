/** The helpers of `hardproof/provider` that have no test file of their own. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ErrorTable,
  isLoopback,
  misconfigured,
  missingPackage,
  signerError,
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
