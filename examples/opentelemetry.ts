/**
 * Converts Hardproof's tracing channels to OpenTelemetry spans: one for each signature and each token request, as a
 * child of the caller's active span.
 */
import { type TracingChannelSubscribers, tracingChannel } from "node:diagnostics_channel";
import { type Attributes, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { SignatureTrace, TokenTrace } from "hardproof";

type Trace = SignatureTrace | TokenTrace;

/**
 * Starts tracing.
 *
 * @param tracer - The tracer for the spans. Default: a tracer of the global provider.
 * @returns A function that stops tracing.
 */
export function traceHardproof(tracer: Tracer = trace.getTracer("hardproof")): () => void {
  const stops = ["hardproof.signature", "hardproof.token"].map((name) => {
    const channel = tracingChannel<unknown, Trace>(name);
    const subscribers = spansOf(name, tracer);
    channel.subscribe(subscribers);
    return () => channel.unsubscribe(subscribers);
  });
  return () => {
    for (const stop of stops) stop();
  };
}

/** The channel publishes the same message object at the start and the end of an operation. */
function spansOf(name: string, tracer: Tracer): TracingChannelSubscribers<Trace> {
  const spans = new WeakMap<Trace, Span>();
  return {
    start: (message) => {
      spans.set(message, tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes: attributesOf(message) }));
    },
    asyncEnd: (message) => {
      const span = spans.get(message);
      span?.setAttributes(attributesOf(message));
      if (message.outcome !== "ok") span?.setStatus({ code: SpanStatusCode.ERROR, message: String(message.outcome) });
      span?.end();
    },
    end: () => {},
    asyncStart: () => {},
    error: () => {},
  };
}

/** All fields are safe to export except the error. Its code is in `outcome`; its message belongs in the log. */
function attributesOf({ error: _, ...fields }: Trace): Attributes {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [`hardproof.${field}`, value]));
}
