/** Downloads for the interoperability tests: only a complete file with the pinned hash is kept. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type StubServer, stubServer } from "../servers/stub-server.js";
import { cacheDirectory, download, run } from "./cache.js";

const CONTENT = "the software of others";
const sha256 = createHash("sha256").update(CONTENT).digest("hex");
let directory: string;
let server: StubServer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-cache-"));
  server = await stubServer();
});
beforeEach(() => rmSync(join(directory, "peer"), { recursive: true, force: true }));
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server.close();
});

const file = () => ({ url: `${server.origin}/peer.zip`, sha256, path: join(directory, "peer/peer.zip") });
const filesLeft = () => readdirSync(join(directory, "peer"));

describe("download", () => {
  it("downloads a file once, and finds it again", async () => {
    server.respondWith((response) => response.end(CONTENT));
    expect(readFileSync(await download(file()), "utf8")).toBe(CONTENT);
    expect(await download(file())).toBe(file().path);
    expect(server.requests.map(({ path }) => path)).toEqual(["/peer.zip"]);
    expect(filesLeft()).toEqual(["peer.zip"]);
  });

  it("rejects a file with another hash, and doesn't keep it", async () => {
    server.respondWith((response) => response.end("malware"));
    await expect(download(file())).rejects.toThrow(`${file().url} doesn't have the pinned hash.`);
    expect(existsSync(file().path)).toBe(false);
  });

  it("rejects a file that was changed in the cache, and downloads it again the next time", async () => {
    server.respondWith((response) => response.end(CONTENT));
    const path = await download(file());
    writeFileSync(path, "malware");
    await expect(download(file())).rejects.toThrow("the pinned hash");
    expect(readFileSync(await download(file()), "utf8")).toBe(CONTENT);
  });

  it("names the URL and the status of a server that doesn't have the file", async () => {
    server.respondWith((response) => response.writeHead(404).end("not found"));
    await expect(download(file())).rejects.toThrow(`${file().url} can't be downloaded (status 404).`);
    expect(existsSync(file().path)).toBe(false);
  });

  it("doesn't keep a file that was cut off", async () => {
    server.respondWith((response) => {
      response.writeHead(200, { "content-length": CONTENT.length });
      response.write(CONTENT.slice(0, 5), () => response.destroy());
    });
    await expect(download(file())).rejects.toThrow(`${file().url} can't be downloaded (`);
    expect(existsSync(file().path)).toBe(false);
  });

  it("says that a server can't be reached", async () => {
    const url = "http://127.0.0.1:1/peer.zip";
    await expect(download({ ...file(), url })).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:1\/peer\.zip can't be downloaded \(.+\)\.$/,
    );
  });
});

describe("the cache", () => {
  it("is in XDG_CACHE_HOME if that is set", () => {
    vi.stubEnv("XDG_CACHE_HOME", "/caches");
    expect(cacheDirectory("peer")).toBe("/caches/hardproof/peer");
    vi.stubEnv("XDG_CACHE_HOME", "");
    vi.stubEnv("HOME", "/home/agent");
    expect(cacheDirectory("peer")).toBe("/home/agent/.cache/hardproof/peer");
    vi.unstubAllEnvs();
  });
});

describe("run", () => {
  it("returns what a program prints", async () => {
    expect(await run("node", ["-p", "process.env.WORD"], { env: { WORD: "hello" } })).toBe("hello\n");
  });

  it("rejects with the end of the output of a program that fails", async () => {
    const script = "console.log('to stdout'); console.error('to stderr'); process.exit(3)";
    await expect(run("node", ["-e", script])).rejects.toThrow(/^node -e failed:\nto stdout\n+to stderr$/);
  });

  it("says that a program isn't installed", async () => {
    await expect(run("no-such-program", [])).rejects.toThrow("no-such-program isn't installed.");
  });
});
