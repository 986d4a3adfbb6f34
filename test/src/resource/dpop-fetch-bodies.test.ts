/** Bodies that are sent again, and aborted calls. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { DPoPProver, type Signer, type Token } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it, vi } from "vitest";
import { challenge, errorOf, ok, respond, stubResource } from "../../servers/stub-resource.js";
import type { Responder } from "../../servers/stub-server.js";

const stub = await stubResource();
const { server, url, inTurn, caller } = stub;
afterAll(() => stub.close());

describe("bodies", () => {
  const nonceChallenge = (): Responder => challenge("use_dpop_nonce", { "dpop-nonce": "n1" });
  const bytes = new TextEncoder().encode("payload");
  const form = new FormData();
  form.set("field", "payload");
  const parts = () => {
    const data = new FormData();
    data.set("a", "payload");
    data.append("b", new Blob(["1"], { type: "text/x" }), "named.txt");
    data.append("b", "2");
    return data;
  };

  it.each([
    ["a string", () => "payload"],
    ["bytes", () => bytes],
    ["a Blob", () => new Blob([bytes])],
    ["URLSearchParams", () => new URLSearchParams({ payload: "" })],
    ["FormData", () => form],
    ["a stream", () => new Blob([bytes]).stream()],
    ["a Node stream", () => Readable.from([bytes])],
  ])("sends %s again after a challenge", async (_, body) => {
    inTurn(nonceChallenge(), ok);
    const init = { method: "POST", body: body() as never, duplex: "half" } as const;
    expect((await caller()(url, init)).status).toBe(200);
    expect(server.requests.map(({ body }) => body.includes("payload"))).toEqual([true, true]);
  });

  it.each([
    ["a Buffer", () => Buffer.from("payload"), (body: Buffer) => body.fill("X")],
    ["an ArrayBuffer", () => Uint8Array.from(bytes).buffer, (body: ArrayBuffer) => new Uint8Array(body).fill(88)],
    ["a DataView", () => new DataView(Uint8Array.from(bytes).buffer), (body: DataView) => body.setUint8(0, 88)],
    ["a part of a buffer", () => Buffer.from("[payload]").subarray(1, 8), (body: Buffer) => body.fill("X")],
    ["URLSearchParams", () => new URLSearchParams({ a: "payload" }), (body: URLSearchParams) => body.set("a", "X")],
    ["FormData", parts, (body: FormData) => body.set("a", "X")],
  ])("sends %s as it was at the time of the call, as fetch does", async (_, make, change) => {
    inTurn(ok);
    const send = async (call: typeof fetch) => {
      const body = make();
      const response = call(url, { method: "POST", body });
      change(body as never);
      await response;
    };
    await send(fetch);
    await send(caller());
    const [byFetch, byDPoPFetch] = server.requests.map(({ body }) => body.replace(/-{4}\S+/g, "--boundary"));
    expect(byDPoPFetch).toBe(byFetch);
    expect(byDPoPFetch).toContain("payload");
  });

  it.each(["string", "stream"])("sends the %s of a Request again after a challenge", async (kind) => {
    inTurn(nonceChallenge(), ok);
    const body = kind === "string" ? "payload" : new Blob([bytes]).stream();
    expect((await caller()(new Request(url, { method: "POST", body, duplex: "half" }))).status).toBe(200);
    expect(server.requests.map(({ body }) => body)).toEqual(["payload", "payload"]);
  });

  it.each(["stream", "Request"])("throws after a challenge if a %s is longer than maxBufferedBody", async (kind) => {
    inTurn(nonceChallenge(), ok);
    const body = () => new Blob([Buffer.alloc(300_000, "x")]).stream();
    const call = caller({ maxBufferedBody: 1000 });
    const send = () =>
      kind === "stream"
        ? call(url, { method: "POST", body: body(), duplex: "half" })
        : call(new Request(url, { method: "POST", body: body(), duplex: "half" }));
    expect(await errorOf(send())).toMatchObject({ code: "body-spent", message: expect.stringContaining("again") });
    expect(server.requests.map(({ body }) => body.length)).toEqual([300_000]);
    expect((await send()).status).toBe(200);
    expect(server.requests.map(({ body }) => body.length)).toEqual([300_000, 300_000]);
    inTurn(respond(307, { location: "/next" }));
    expect(await errorOf(send())).toMatchObject({ code: "body-spent" });
    inTurn(respond(303, { location: "/next" }), ok);
    expect((await send()).status).toBe(200);
  });

  it("continues a stream after a challenge that arrived before its end", async () => {
    const read: string[] = [];
    const earlyServer = createServer(async (request, response) => {
      const nonce = decodeJwt(String(request.headers.dpop)).nonce;
      if (nonce === undefined) return challenge("use_dpop_nonce", { "dpop-nonce": "n1" })(response, {} as never, 1);
      read.push(await text(request));
      response.end("read");
    });
    await new Promise<void>((resolve) => earlyServer.listen(0, "127.0.0.1", resolve));
    const { port } = earlyServer.address() as AddressInfo;
    let challenged = () => {};
    const untilChallenged = new Promise<void>((resolve) => {
      challenged = resolve;
    });
    const body = ReadableStream.from(
      (async function* () {
        yield new TextEncoder().encode("before ");
        await untilChallenged;
        yield new TextEncoder().encode("after");
      })(),
    );
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      challenged();
      return response;
    };
    const response = await caller({ fetch })(`http://127.0.0.1:${port}`, { method: "POST", body, duplex: "half" });
    expect(await response.text()).toBe("read");
    expect(read).toEqual(["before after"]);
    earlyServer.closeAllConnections();
    earlyServer.close();
  });

  it.each([
    ["a challenge", 1024 * 1024, nonceChallenge()],
    ["a challenge", 30_000, nonceChallenge()],
    ["a 307", 1024 * 1024, respond(307, { location: "/next" })],
    ["a 307", 30_000, respond(307, { location: "/next" })],
  ])(
    "stops the first attempt from reading on after %s, with a buffer of %d bytes",
    async (_, maxBufferedBody, early) => {
      const pieces = Array.from({ length: 100 }, (_, at) => Buffer.alloc(20_000, at));
      const read: Buffer[] = [];
      let requests = 0;
      const earlyServer = createServer(async (request, response) => {
        const first = ++requests === 1;
        if (first) request.once("data", () => early(response, {} as never, 1)).on("error", () => undefined);
        else response.end(String(read.push(await buffer(request))));
      });
      await new Promise<void>((resolve) => earlyServer.listen(0, "127.0.0.1", resolve));
      const { port } = earlyServer.address() as AddressInfo;
      let onSecondSignature = () => {};
      const untilSecondSignature = new Promise<void>((resolve) => {
        onSecondSignature = resolve;
      });
      let sent = 0;
      async function* source() {
        for (const piece of pieces) {
          yield piece;
          sent++;
          await (sent === 1 ? untilSecondSignature : turn());
        }
      }
      let signatures = 0;
      const prover = await signingBy(async (data, options) => {
        if (++signatures === 2) onSecondSignature();
        for (let turns = 0; signatures === 2 && sent < pieces.length && turns < 500; turns++) await turn();
        return stub.prover.signer.sign(data, options);
      });
      const init = { method: "POST", body: ReadableStream.from(source()), duplex: "half" } as const;
      expect((await caller({ prover, maxBufferedBody })(`http://127.0.0.1:${port}`, init)).status).toBe(200);
      expect(read.map((body) => body.equals(Buffer.concat(pieces)))).toEqual([true]);
      earlyServer.closeAllConnections();
      earlyServer.close();
    },
  );

  it("cancels a stream that won't be read any more", async () => {
    const cancel = vi.fn();
    const body = () => new ReadableStream({ pull: (controller) => controller.enqueue(bytes), cancel });
    const failing = async () => {
      throw new TypeError("failed");
    };
    expect(await errorOf(caller({ fetch: failing })(url, { method: "POST", body: body() }))).toBeInstanceOf(TypeError);
    expect(cancel).toHaveBeenCalledTimes(1);
    const early: typeof fetch = async (_, init) => {
      await bodyOf(init).cancel();
      return new Response();
    };
    await caller({ fetch: early })(url, { method: "POST", body: body() });
    expect(cancel).toHaveBeenCalledTimes(2);
  });

  it("throws the error of the stream", async () => {
    inTurn(ok);
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("disk gone")) });
    const error = await errorOf(caller()(url, { method: "POST", body, duplex: "half" }));
    expect(inspect(error)).toContain("disk gone");
  });
});

describe("aborts", () => {
  const reason = new Error("enough");

  it.each(["init", "Request"])("sends nothing if the signal of the %s has already aborted", async (kind) => {
    inTurn(ok);
    const signal = AbortSignal.abort(reason);
    const call = kind === "init" ? caller()(url, { signal }) : caller()(new Request(url, { signal }));
    expect(await errorOf(call)).toBe(reason);
    expect(server.requests).toEqual([]);
  });

  it.each(["init", "Request"])(
    "throws the reason if the signal of the %s aborts while waiting for the server",
    async (kind) => {
      const controller = new AbortController();
      const { signal } = controller;
      inTurn(() => controller.abort(reason));
      const call = kind === "init" ? caller()(url, { signal }) : caller()(new Request(url, { signal }));
      expect(await errorOf(call)).toBe(reason);
    },
  );

  it("throws the reason if the call is aborted while the key signs", async () => {
    const controller = new AbortController();
    const sign = vi.fn(() => {
      queueMicrotask(() => controller.abort(reason));
      return new Promise<Uint8Array>(() => undefined);
    });
    inTurn(ok);
    const call = caller({ prover: await signingBy(sign) });
    expect(await errorOf(call(url, { signal: controller.signal }))).toBe(reason);
    expect(sign).toHaveBeenCalled();
    expect(server.requests).toEqual([]);
  });

  it("throws if the call is aborted while waiting for a token, or while reading the response", async () => {
    const controller = new AbortController();
    const never = () => new Promise<Token>(() => undefined);
    const call = caller({ token: { token: never, renew: never } })(url, { signal: controller.signal });
    controller.abort(reason);
    expect(await errorOf(call)).toBe(reason);

    inTurn((response) => response.writeHead(200).write("half"));
    const abortWhileReading = async (send: typeof fetch) => {
      const second = new AbortController();
      const response = await send(url, { signal: second.signal });
      second.abort(reason);
      return errorOf(response.text());
    };
    // Node 24 and later reject with the signal's reason, earlier ones with an AbortError.
    expect(await abortWhileReading(caller())).toEqual(await abortWhileReading(fetch));
  });

  it("throws TimeoutError for AbortSignal.timeout", async () => {
    inTurn(() => undefined);
    expect(await errorOf(caller()(url, { signal: AbortSignal.timeout(20) }))).toMatchObject({ name: "TimeoutError" });
  });

  it("removes its listeners from the signal", async () => {
    inTurn(ok);
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await caller({ fetch: async () => new Response() })(url, { signal });
    await errorOf(caller()("ftp://forbidden", { signal }));
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
    expect(added.mock.calls.length).toBeGreaterThan(1);
  });
});

/** A prover with the stub's key and a custom sign function. */
function signingBy(sign: Signer["sign"]): Promise<DPoPProver> {
  const { signer } = stub.prover;
  return DPoPProver.create({
    uri: undefined,
    publicJwk: () => signer.publicJwk(),
    sign,
    describe: () => signer.describe(),
    close: () => signer.close(),
    [Symbol.asyncDispose]: () => signer.close(),
  });
}

function bodyOf(init: RequestInit | undefined): ReadableStream<Uint8Array> {
  return init?.body instanceof ReadableStream ? init.body : expect.unreachable();
}
