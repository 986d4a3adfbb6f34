/**
 * Converts Hardproof's tracing channels to an OpenTelemetry histogram: how long signatures and token requests take, and how many
 * fail, by their outcome.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type Attributes, type Meter, metrics } from "@opentelemetry/api";
import type { SignatureTrace, TokenTrace } from "hardproof";

/**
 * Seconds. Covers a key in memory (below 1 ms), an HSM (milliseconds), a cloud KMS and a slow server. OpenTelemetry's own
 * boundaries are for seconds to minutes.
 */
const BOUNDARIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Starts to measure.
 *
 * @param meter - The meter of the histogram. Default: a meter of the global provider.
 * @returns A function that stops it.
 */
export function measureHardproof(meter: Meter = metrics.getMeter("hardproof")): () => void {
  const histogram = meter.createHistogram("hardproof.operation.duration", {
    unit: "s",
    description: "Duration of signatures and token requests",
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  const stops = ["signature", "token"].map((operation) => {
    const record = (message: unknown) => {
      const trace = message as SignatureTrace | TokenTrace;
      histogram.record((trace.duration ?? 0) / 1000, attributesOf(operation, trace));
    };
    const channel = `tracing:hardproof.${operation}:asyncEnd`;
    subscribe(channel, record);
    return () => unsubscribe(channel, record);
  });
  return () => {
    for (const stop of stops) stop();
  };
}

/** Each combination of values is a time series, so nothing here differs from one request to the next. */
function attributesOf(operation: string, { outcome, uri }: SignatureTrace | TokenTrace): Attributes {
  const attributes = { "hardproof.operation": operation, "hardproof.store": uri?.split(":")[0] ?? "none" };
  return outcome === "ok" ? attributes : { ...attributes, "error.type": String(outcome) };
}
