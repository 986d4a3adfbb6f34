/** The examples that watch, with real signatures of each kind of key and real token requests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { DPoPProver, KeySigner } from "hardproof";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { auditLog, checkChain } from "../examples/audit-log.js";
import { traceHardproof } from "../examples/opentelemetry.js";

interface Recorded {
  name: string;
  attributes: Attributes;
  status?: { code: SpanStatusCode; message?: string };
  ended: boolean;
}

/** What an SDK would export: the API alone records nothing. */
function recordingTracer(): { tracer: Tracer; spans: Recorded[] } {
  const spans: Recorded[] = [];
  const startSpan = (name: string, { attributes = {} }: SpanOptions = {}): Span => {
    const span: Recorded = { name, attributes: { ...attributes }, ended: false };
    spans.push(span);
    const wrapped: Span = Object.assign(trace.getTracer("none").startSpan(name, {}, ROOT_CONTEXT), {
      setAttributes: (more: Attributes) => {
        Object.assign(span.attributes, more);
        return wrapped;
      },
      setStatus: (status: NonNullable<Recorded["status"]>) => {
        span.status = status;
        return wrapped;
      },
      end: () => {
        span.ended = true;
      },
    });
    return wrapped;
  };
  return { spans, tracer: { startSpan, startActiveSpan: () => expect.unreachable() } };
}

const failing = async () => {
  const prover = await DPoPProver.generate();
  const broken = new KeySigner({
    provider: "broken",
    uri: "broken:key",
    open: async () => ({
      publicKey: prover.publicJwk,
      signMessage: () => Promise.reject(new Error("out of order")),
      describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
      close: () => undefined,
    }),
  });
  return DPoPProver.create(broken);
};
const request = { htm: "GET", htu: "https://api.example.com/resource?a=1", accessToken: "secret-token" };

describe("examples/opentelemetry.ts", () => {
  it("makes a span of each signature, and an error of a failed one", async () => {
    const { tracer, spans } = recordingTracer();
    const stop = traceHardproof(tracer);
    const prover = await DPoPProver.generate();
    await prover.makeProof(request);
    await expect((await failing()).makeProof(request)).rejects.toThrow("broken:key");
    stop();
    await prover.makeProof(request);
    expect(spans).toMatchObject([
      {
        name: "hardproof.signature",
        ended: true,
        attributes: {
          "hardproof.htm": "GET",
          "hardproof.htu": "https://api.example.com/resource",
          "hardproof.jkt": prover.jkt,
          "hardproof.outcome": "ok",
          "hardproof.duration": expect.any(Number),
        },
      },
      { ended: true, status: { code: SpanStatusCode.ERROR }, attributes: { "hardproof.uri": "broken:key" } },
    ]);
    expect(spans).toHaveLength(2);
    expect(spans[0]).not.toHaveProperty("status");
    expect(JSON.stringify(spans)).not.toMatch(/secret-token|eyJ/);
  });
});

describe("examples/audit-log.ts", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "hardproof-audit-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("has a line of each signature on the disk before the proof is given out, and goes on after a restart", async () => {
    const path = join(directory, "audit.jsonl");
    const lines = () =>
      readFileSync(path, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    const prover = await DPoPProver.generate();
    for (const run of [1, 2]) {
      const stop = auditLog(path);
      await prover.makeProof(request);
      expect(lines()).toHaveLength(2 * run - 1);
      await expect((await failing()).makeProof(request)).rejects.toThrow();
      stop();
    }
    await prover.makeProof(request);
    expect(lines()).toHaveLength(4);
    expect(lines()[0]).toMatchObject({ channel: "hardproof.signature", htm: "GET", jkt: prover.jkt, outcome: "ok" });
    expect(lines()[1]).toMatchObject({ uri: "broken:key", outcome: expect.not.stringMatching("ok") });
    expect(new Set(lines().map(({ jti }) => jti)).size).toBe(4);
    const log = readFileSync(path, "utf8");
    expect(log).not.toMatch(/secret-token|eyJ/);
    expect(checkChain(log)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is not gone on with if a line was changed, removed or put in", async () => {
    const path = join(directory, "audit.jsonl");
    const stop = auditLog(path);
    const prover = await DPoPProver.generate();
    for (let turn = 0; turn < 3; turn++) await prover.makeProof(request);
    stop();
    const [one = "", two = "", three = ""] = readFileSync(path, "utf8").trimEnd().split("\n");
    for (const forged of [
      [one.replace("GET", "PUT"), two, three],
      [one, three],
      [one, two, two, three],
      [two, three],
    ]) {
      writeFileSync(path, forged.join("\n"));
      expect(() => auditLog(path)).toThrow("changed");
    }
  });
});
