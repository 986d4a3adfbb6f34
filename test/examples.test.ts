/** The examples of tracing: OpenTelemetry spans and an audit log. */
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

/** A tracer that records spans, as an SDK does. The API without an SDK discards them. */
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

const failingProver = async () => {
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
  it("creates a span for each signature, with status error for a failed one", async () => {
    const { tracer, spans } = recordingTracer();
    const stop = traceHardproof(tracer);
    const prover = await DPoPProver.generate();
    await prover.makeProof(request);
    await expect((await failingProver()).makeProof(request)).rejects.toThrow("broken:key");
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

  it("writes a line for each signature before the proof is returned, and continues after a restart", async () => {
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
      await expect((await failingProver()).makeProof(request)).rejects.toThrow();
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

  it("refuses to continue if a line was changed, removed or inserted", async () => {
    const path = join(directory, "audit.jsonl");
    const stop = auditLog(path);
    const prover = await DPoPProver.generate();
    for (let count = 0; count < 3; count++) await prover.makeProof(request);
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
