/** Secrets that a server repeats in its error, in every spelling, and how they are redacted. */
import { inspect } from "node:util";
import fc from "fast-check";
import { DPoPProver, OAuthClient, type OAuthError } from "hardproof";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodingsOf } from "../../../src/oauth/decodings.js";
import { MAX_TEXT, redactor } from "../../../src/oauth/redact.js";
import { type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
afterAll(() => server.close());

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, "0");
const utf16 = (text: string) => [...Array(text.length).keys()].map((index) => text.charCodeAt(index));

/** How servers write a text into an error. */
const spellings: Record<string, (text: string) => string> = {
  "as it is": (text) => text,
  "as JSON": (text) => JSON.stringify(text),
  "as JSON with \\/": (text) => JSON.stringify(text).replaceAll("/", "\\/"),
  "as JSON in ASCII": (text) =>
    utf16(text)
      .map((code) => `\\u${hex(code, 4)}`)
      .join(""),
  "as JSON in JSON": (text) => JSON.stringify(JSON.stringify(text).replaceAll("/", "\\/")),
  "percent-encoded": (text) => encodeURIComponent(text),
  "percent-encoded in lower case": (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  "percent-encoded twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  "with each byte percent-encoded": (text) => [...Buffer.from(text)].map((byte) => `%${hex(byte, 2)}`).join(""),
  "form-encoded": (text) => new URLSearchParams({ "": text }).toString().slice(1),
  "in HTML": (text) => text.replace(/[&<>"'+/]/g, (character) => `&#${character.charCodeAt(0)};`),
  "in HTML with hexadecimal entities": (text) => [...text].map((c) => `&#x${hex(c.codePointAt(0) ?? 0, 4)};`).join(""),
  "in HTML with named entities": (text) =>
    text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;"),
  "form-encoded in HTML": (text) => new URLSearchParams({ a: "b", c: text }).toString().replaceAll("&", "&amp;"),
  "in base64": (text) => Buffer.from(text).toString("base64"),
  "in base64url": (text) => Buffer.from(text).toString("base64url"),
  "in the base64 of a longer text": (text) => Buffer.from(`id=x&secret=${text}&more`).toString("base64"),
};

const redact = redactor({ form: new URLSearchParams(), headers: {}, secrets: ['s3cr3t +%&:/<"\\é😀'] });

it.each(Object.keys(spellings))("redacts a secret that a server repeats %s", async (name) => {
  const clientSecret = 's3cr3t +%&:/<"\\é😀';
  const repeated = spellings[name]?.(clientSecret) ?? expect.unreachable();
  server.respondWith((response) => response.writeHead(400).end(`wrong: ${repeated}.`));
  const client = new OAuthClient({ baseUrl: server.origin });
  const error = await client
    .clientCredentials({ dpopProver: prover, clientId: "my-agent", clientSecret })
    .catch((reason: unknown) => reason as OAuthError);
  const { message, errorDescription } = error as OAuthError;
  expect(message).toContain("[redacted]");
  expect(inspect(error)).not.toMatch(/s3cr3t/);
  for (const { text } of decodingsOf(errorDescription ?? "")) expect(text).not.toContain(clientSecret);
  expect(Buffer.from(repeated, "base64").includes("s3cr3t") && errorDescription?.includes(repeated)).toBe(false);
});

it("redacts any secret in any spelling, and nothing beside it", () => {
  const secret = fc.string({ unit: "grapheme", minLength: 8, maxLength: 40 }).filter((text) => text.trim().length >= 8);
  fc.assert(
    fc.property(secret, fc.constantFrom(...Object.keys(spellings)), (text, name) => {
      const spell = spellings[name] ?? expect.unreachable();
      const redacted = redactor({ form: new URLSearchParams(), headers: {}, secrets: [text] })(`<<${spell(text)}>>`);
      expect(redacted).toMatch(/^<<.*\[redacted\].*>>$/s);
      for (const decoding of decodingsOf(redacted)) expect(decoding.text).not.toContain(text);
    }),
  );
});

it("leaves a text without secrets as it is", () => {
  fc.assert(fc.property(fc.string(), (text) => void expect(redact(text)).toBe(text)));
  const text = 'The "scope" a%20b isn\'t \\u0041llowed &amp; more';
  expect(redact(text)).toBe(text);
});

it("reads only the beginning of a long response", () => {
  const page = "\\\\%25&amp;+".repeat(100_000);
  expect(redact(page)).toBe(page.slice(0, MAX_TEXT));
});

it.each([
  "as it is",
  "as JSON in ASCII",
  "with each byte percent-encoded",
  "in HTML with hexadecimal entities",
  "in base64",
])("redacts a secret that continues after the part of a response that is read, %s", (name) => {
  const repeated = spellings[name]?.('s3cr3t +%&:/<"\\é😀') ?? expect.unreachable();
  for (let visible = 1; visible < repeated.length; visible++) {
    const before = " ".repeat(MAX_TEXT - visible);
    expect(redact(`${before}${repeated} and more`)).toBe(`${before}[redacted]`);
  }
});
