/** Bodies that are sent again, and calls that are given up. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { DPoPProver, type Signer, type Token } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it, vi } from "vitest";
import { answer, caught, challenge, ok, stubResource } from "../../servers/stub-resource.js";
import type { Responder } from "../../servers/stub-server.js";

const told = await stubResource();
const { server, url, inTurn, caller } = told;
afterAll(() => told.close());

describe("bodies", () => {
  const asked = (): Responder => challenge("use_dpop_nonce", { "dpop-nonce": "n1" });
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
  ])("%s is sent again after a challenge", async (_, body) => {
    inTurn(asked(), ok);
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
  ])("%s is sent as it was at the call, as fetch does", async (_, make, change) => {
    inTurn(ok);
    const send = async (call: typeof fetch) => {
      const body = make();
      const answered = call(url, { method: "POST", body });
      change(body as never);
      await answered;
    };
    await send(fetch);
    await send(caller());
    const [plainly, requests] = server.requests.map(({ body }) => body.replace(/-{4}\S+/g, "--boundary"));
    expect(requests).toBe(plainly);
    expect(requests).toContain("payload");
  });

  it.each(["string", "stream"])("a Request's %s is sent again after a challenge", async (kind) => {
    inTurn(asked(), ok);
    const body = kind === "string" ? "payload" : new Blob([bytes]).stream();
    expect((await caller()(new Request(url, { method: "POST", body, duplex: "half" }))).status).toBe(200);
    expect(server.requests.map(({ body }) => body)).toEqual(["payload", "payload"]);
  });

  it.each(["stream", "Request"])("a %s over the limit is sent once, and a challenge ends in an error", async (kind) => {
    inTurn(asked(), ok);
    const body = () => new Blob([Buffer.alloc(300_000, "x")]).stream();
    const call = caller({ maxBufferedBody: 1000 });
    const send = () =>
      kind === "stream"
        ? call(url, { method: "POST", body: body(), duplex: "half" })
        : call(new Request(url, { method: "POST", body: body(), duplex: "half" }));
    expect(await caught(send())).toMatchObject({ code: "body-spent", message: expect.stringContaining("again") });
    expect(server.requests.map(({ body }) => body.length)).toEqual([300_000]);
    expect((await send()).status).toBe(200);
    expect(server.requests.map(({ body }) => body.length)).toEqual([300_000, 300_000]);
    inTurn(answer(307, { location: "/next" }));
    expect(await caught(send())).toMatchObject({ code: "body-spent" });
    inTurn(answer(303, { location: "/next" }), ok);
    expect((await send()).status).toBe(200);
  });

  it("a stream goes on where it was when the challenge came before its end", async () => {
    const read: string[] = [];
    const hasty = createServer(async (request, response) => {
      const nonce = decodeJwt(String(request.headers.dpop)).nonce;
      if (nonce === undefined) return challenge("use_dpop_nonce", { "dpop-nonce": "n1" })(response, {} as never, 1);
      read.push(await text(request));
      response.end("read");
    });
    await new Promise<void>((resolve) => hasty.listen(0, "127.0.0.1", resolve));
    const { port } = hasty.address() as AddressInfo;
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
    hasty.closeAllConnections();
    hasty.close();
  });

  it.each([
    ["a challenge", 1024 * 1024, asked()],
    ["a challenge", 30_000, asked()],
    ["a 307", 1024 * 1024, answer(307, { location: "/next" })],
    ["a 307", 30_000, answer(307, { location: "/next" })],
  ])("after %s the first try reads no further (%d bytes kept)", async (_, maxBufferedBody, early) => {
    const pieces = Array.from({ length: 100 }, (_, at) => Buffer.alloc(20_000, at));
    const read: Buffer[] = [];
    let requests = 0;
    const hasty = createServer(async (request, response) => {
      const first = ++requests === 1;
      if (first) request.once("data", () => early(response, {} as never, 1)).on("error", () => undefined);
      else response.end(String(read.push(await buffer(request))));
    });
    await new Promise<void>((resolve) => hasty.listen(0, "127.0.0.1", resolve));
    const { port } = hasty.address() as AddressInfo;
    let signsAgain = () => {};
    const untilItSignsAgain = new Promise<void>((resolve) => {
      signsAgain = resolve;
    });
    let given = 0;
    async function* source() {
      for (const piece of pieces) {
        yield piece;
        given++;
        await (given === 1 ? untilItSignsAgain : turn());
      }
    }
    let signatures = 0;
    const prover = await signingBy(async (data, options) => {
      if (++signatures === 2) signsAgain();
      for (let turns = 0; signatures === 2 && given < pieces.length && turns < 500; turns++) await turn();
      return told.prover.signer.sign(data, options);
    });
    const init = { method: "POST", body: ReadableStream.from(source()), duplex: "half" } as const;
    expect((await caller({ prover, maxBufferedBody })(`http://127.0.0.1:${port}`, init)).status).toBe(200);
    expect(read.map((body) => body.equals(Buffer.concat(pieces)))).toEqual([true]);
    hasty.closeAllConnections();
    hasty.close();
  });

  it("a stream is cancelled when nobody will read it", async () => {
    const cancel = vi.fn();
    const body = () => new ReadableStream({ pull: (controller) => controller.enqueue(bytes), cancel });
    const refusing = async () => {
      throw new TypeError("refused");
    };
    expect(await caught(caller({ fetch: refusing })(url, { method: "POST", body: body() }))).toBeInstanceOf(TypeError);
    expect(cancel).toHaveBeenCalledTimes(1);
    const early: typeof fetch = async (_, init) => {
      await bodyOf(init).cancel();
      return new Response();
    };
    await caller({ fetch: early })(url, { method: "POST", body: body() });
    expect(cancel).toHaveBeenCalledTimes(2);
  });

  it("an error of the stream is an error of the call", async () => {
    inTurn(ok);
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("disk gone")) });
    const error = await caught(caller()(url, { method: "POST", body, duplex: "half" }));
    expect(inspect(error)).toContain("disk gone");
  });
});

describe("aborts", () => {
  const reason = new Error("enough");

  it.each(["init", "Request"])("by the signal of the %s, before anything is sent", async (kind) => {
    inTurn(ok);
    const signal = AbortSignal.abort(reason);
    const call = kind === "init" ? caller()(url, { signal }) : caller()(new Request(url, { signal }));
    expect(await caught(call)).toBe(reason);
    expect(server.requests).toEqual([]);
  });

  it.each(["init", "Request"])("by the signal of the %s, while the server is silent", async (kind) => {
    const controller = new AbortController();
    const { signal } = controller;
    inTurn(() => controller.abort(reason));
    const call = kind === "init" ? caller()(url, { signal }) : caller()(new Request(url, { signal }));
    expect(await caught(call)).toBe(reason);
  });

  it("while the proof is being signed, by a signer that never ends", async () => {
    const controller = new AbortController();
    const sign = vi.fn(() => {
      queueMicrotask(() => controller.abort(reason));
      return new Promise<Uint8Array>(() => undefined);
    });
    inTurn(ok);
    const call = caller({ prover: await signingBy(sign) });
    expect(await caught(call(url, { signal: controller.signal }))).toBe(reason);
    expect(sign).toHaveBeenCalled();
    expect(server.requests).toEqual([]);
  });

  it("while a token is awaited, and while the answer's body comes", async () => {
    const controller = new AbortController();
    const never = () => new Promise<Token>(() => undefined);
    const call = caller({ token: { token: never, renew: never } })(url, { signal: controller.signal });
    controller.abort(reason);
    expect(await caught(call)).toBe(reason);

    inTurn((response) => response.writeHead(200).write("half"));
    const second = new AbortController();
    const response = await caller()(url, { signal: second.signal });
    second.abort(reason);
    expect(await caught(response.text())).toMatchObject({ name: "AbortError" });
  });

  it("by a time-out keep their name", async () => {
    inTurn(() => undefined);
    expect(await caught(caller()(url, { signal: AbortSignal.timeout(20) }))).toMatchObject({ name: "TimeoutError" });
  });

  it("leave no listener behind", async () => {
    inTurn(ok);
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await caller({ fetch: async () => new Response() })(url, { signal });
    await caught(caller()("ftp://refused", { signal }));
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
    expect(added.mock.calls.length).toBeGreaterThan(1);
  });
});

/** A prover with the told one's key. */
function signingBy(sign: Signer["sign"]): Promise<DPoPProver> {
  const { signer } = told.prover;
  return DPoPProver.create({
    alg: "ES256",
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
