/** Responses that AWS KMS didn't send: of a broken proxy, a captive portal or a firewall; and hostile error texts. */

import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { SignerErrorCode } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstSentence } from "../../../providers/aws-kms/error-text.js";
import { toSignerError } from "../../../providers/aws-kms/errors.js";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

const KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "hunter2", sessionToken: "hunter3" };
const HTML = { "content-type": "text/html" };
const KMS = { "content-type": "application/x-amz-json-1.1" };

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());

const errorFrom = async (responder: Responder) => {
  server.respondWith(responder);
  const clientConfig = { endpoint: server.origin, credentials, maxAttempts: 1 };
  await using signer = new KmsSigner(KEY, { clientConfig });
  return signer.publicJwk().then(
    () => expect.unreachable(),
    (error) => error,
  );
};
const respond =
  (status: number, headers: Record<string, string>, body: string | Buffer = ""): Responder =>
  (response) =>
    response.writeHead(status, headers).end(body);

describe("a response that isn't from AWS KMS", () => {
  it.each<[string, Responder, SignerErrorCode, string]>([
    ["503 with HTML", respond(503, HTML, "<html>"), "unavailable", "HTTP 503 from GetPublicKey"],
    ["502 with HTML", respond(502, HTML, "<h1>Bad gateway</h1>"), "unavailable", "HTTP 502"],
    ["500 without a body", respond(500, {}), "unavailable", "HTTP 500"],
    ["429 without __type", respond(429, KMS, "{}"), "throttled", "HTTP 429"],
    ["429 with HTML", respond(429, HTML, "<h1>"), "throttled", "HTTP 429"],
    ["429 with an unknown __type", json(429, { __type: "Slower" }), "throttled", "HTTP 429"],
    ["503 with an unknown __type", json(503, { __type: "Busy" }), "unavailable", "HTTP 503"],
    ["302", respond(302, { location: "http://portal.example/" }), "misconfigured", "not from AWS KMS"],
    ["302 with HTML", respond(302, { ...HTML, location: "/" }, "<a>"), "misconfigured", "not from AWS KMS"],
    ["304", respond(304, {}), "misconfigured", "not from AWS KMS"],
    ["200 with HTML", respond(200, HTML, "<html>Log in</html>"), "misconfigured", "not from AWS KMS"],
    ["200 with a text", respond(200, { "content-type": "text/plain" }, "OK"), "misconfigured", "not from AWS KMS"],
    ["400 without an error code", respond(400, KMS, "{}"), "misconfigured", "not from AWS KMS"],
    ["404 with HTML", respond(404, HTML, "<h1>"), "misconfigured", "not from AWS KMS"],
    ["413 with HTML", respond(413, HTML, "<h1>"), "misconfigured", "not from AWS KMS"],
    ["407 of a proxy", respond(407, { "proxy-authenticate": "Basic" }), "misconfigured", "proxy requires a login"],
    ["407 with HTML", respond(407, HTML, "<h1>"), "misconfigured", "proxy requires a login"],
    ["401 with HTML", respond(401, HTML, "<h1>"), "access-denied", "not from AWS KMS"],
    ["403 of a firewall", respond(403, HTML, "<h1>Blocked</h1>"), "access-denied", "firewall"],
    ["403 of a gateway", json(403, { message: "Forbidden" }), "access-denied", "Forbidden."],
    ["200 without a body", respond(200, KMS), "integrity", "returned no key"],
    ["204", respond(204, {}), "integrity", "returned no key"],
    ["200 with a JSON array", respond(200, KMS, "[]"), "integrity", "returned no key"],
    ["200 with a JSON string", respond(200, KMS, '"x"'), "integrity", "returned no key"],
    ["200 with null", respond(200, KMS, "null"), "integrity", "returned no key"],
    ["200 with half of the JSON", respond(200, KMS, '{"KeyId":"'), "integrity", "HTTP 200"],
    [
      "200 with compressed garbage",
      respond(200, { ...KMS, "content-encoding": "gzip" }, "garbage"),
      "integrity",
      "200",
    ],
    [
      "200 with compressed HTML",
      respond(200, { ...HTML, "content-encoding": "gzip" }, gzipSync("<html>")),
      "misconfigured",
      "not from AWS KMS",
    ],
    ["200 with a number as the key's name", json(200, { KeyId: 5, PublicKey: "AA==" }), "integrity", "GetPublicKey"],
    ["200 with an object as the public key", json(200, { KeyId: KEY, PublicKey: {} }), "wrong-key", KEY],
    ["200 with a public key that isn't base64", json(200, { KeyId: KEY, PublicKey: "%%%" }), "integrity", "200"],
  ])("is classified by its status: %s", async (_, responder, code, text) => {
    const error = await errorFrom(responder);
    expect(error).toMatchObject({ name: "SignerError", code });
    expect(error).toHaveProperty("retryable", ["unavailable", "throttled"].includes(code));
    expect(error.message).toContain(text);
    expect(error.message).not.toMatch(/\p{C}|SyntaxError|UnknownError/u);
  });

  it.each<[number, number]>([
    [503, 3],
    [429, 3],
    [302, 1],
    [200, 1],
  ])("is requested by the SDK again only if it can help: HTTP %d", async (status, requests) => {
    server.respondWith(respond(status, HTML, "<html>"));
    await using signer = new KmsSigner(KEY, { clientConfig: { endpoint: server.origin, credentials } });
    await expect(signer.publicJwk()).rejects.toMatchObject({ name: "SignerError" });
    expect(server.requests).toHaveLength(requests);
  });

  it("doesn't get the credentials of a redirected request", async () => {
    const other = await stubServer();
    await errorFrom(respond(307, { location: other.origin }));
    expect(other.requests).toEqual([]);
    await other.close();
  });
});

describe("the words of the service", () => {
  const messageOf = async (type: unknown, message: unknown) =>
    (await errorFrom(json(400, { __type: type, message }))).message as string;

  it("are the message's first sentence", async () => {
    const sentence = "Alias arn:aws:kms:eu-central-1:111122223333:alias/none is not found.";
    const message = await messageOf("NotFoundException", `${sentence} Second sentence.`);
    expect(message).toContain(`NotFoundException from GetPublicKey: ${sentence} Check the name`);
  });

  it("are limited in length, and contain no control characters", async () => {
    const message = await messageOf("NotFoundException", `a\u001b[31mb\u202ec\u0000d${"x".repeat(9_000)}`);
    expect(message).not.toMatch(/\p{C}/u);
    expect(message.length).toBeLessThan(1_000);
  });

  it("can have a strange error code", async () => {
    const message = await messageOf(`Evil\u001b[31m\n\u202e${"Exception".repeat(1_000)}`, "text");
    expect(message).not.toMatch(/\p{C}/u);
    expect(message.length).toBeLessThan(1_000);
  });

  it.each([
    ["NotFoundException", "a\u001b[31mred"],
    ["Evil\u202eException", "text"],
    ["NotFoundException", "x".repeat(100_000)],
  ])("are left out of the cause if they change the terminal or flood it: %j", async (type, message) => {
    const shown = inspect(await errorFrom(json(400, { __type: type, message })));
    expect(shown.replace(/\n/g, "")).not.toMatch(/\p{C}/u);
    expect(shown.length).toBeLessThan(10_000);
  });

  it.each([
    [5, { a: 1 }],
    [{}, []],
    [null, null],
  ])("can be no words at all: %j, %j", async (type, message) => {
    expect(await errorFrom(json(400, { __type: type, message }))).toMatchObject({
      name: "SignerError",
      retryable: false,
    });
  });

  it.each([
    [
      "InvalidSignatureException",
      "The Canonical String for this request should have been 'POST\n/\n\nx-amz-security-token:hunter3'",
    ],
    ["InvalidSignatureException", "Signature mismatch for x-amz-security-token:hunter3"],
    ["IncompleteSignatureException", "'hunter3' not a valid key=value pair in Authorization header: 'hunter3'"],
    ["SomethingNewException", "The request had the token=hunter3"],
    ["ValidationException", "Bad header Authorization: Bearer hunter3"],
  ])("don't repeat a secret: %s, %s", async (type, text) => {
    const error = await errorFrom(json(400, { __type: type, message: text }));
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("hunter3");
  });

  it("don't show the session token even if the service only quotes it", async () => {
    const token = "FwoGZXIvYXdzE".padEnd(400, "0aB/+");
    const error = await errorFrom(
      json(400, { __type: "ExpiredTokenException", message: `The token ${token} is old.` }),
    );
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("0aB/+");
    expect(error.message).toContain("The token … is old.");
  });
});

describe("an error without a response", () => {
  it.each<[string, object, SignerErrorCode]>([
    ["ECONNREFUSED", { syscall: "connect" }, "unavailable"],
    ["ENOBUFS", { syscall: "connect" }, "unavailable"],
    ["EACCES", { syscall: "connect" }, "unavailable"],
    ["EACCES", { syscall: "open", path: "/run/token" }, "access-denied"],
    ["CERT_HAS_EXPIRED", {}, "misconfigured"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", {}, "misconfigured"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", {}, "misconfigured"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", {}, "misconfigured"],
    ["HPE_INVALID_CONSTANT", {}, "misconfigured"],
    ["ERR_SOMETHING_NEW", {}, "unexpected"],
  ])("is classified by its code: %s %j", (code, members, expected) => {
    const error = toSignerError(Object.assign(new Error(`the system's words ${code}`), { code, ...members }), "Sign");
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining(`the system's words ${code}.`) });
  });

  it("has the words of the first address if the host has several", () => {
    const errors = ["127.0.0.1", "::1"].map((address) => new Error(`connect ECONNREFUSED ${address}:9`));
    const error = Object.assign(new AggregateError(errors), { code: "ECONNREFUSED" });
    const expected = "ECONNREFUSED from Sign: connect ECONNREFUSED 127.0.0.1:9. Check that";
    expect(toSignerError(error, "Sign")).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(expected),
    });
  });

  it.each([undefined, null, "text", 5, {}, new Error(""), new TypeError("x is not a function")])(
    "is unexpected: %j",
    (error) => {
      expect(toSignerError(error, "Sign")).toMatchObject({ code: "unexpected", retryable: false });
    },
  );
});

it("makes one short line without control characters of any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2_000 }), fc.boolean(), (text, isFromService) => {
      const sentence = firstSentence(text, isFromService);
      expect(sentence).not.toMatch(/\p{C}/u);
      expect(sentence.length).toBeLessThanOrEqual(402);
    }),
  );
});
