/**
 * Hardproof's tracing channels as OpenTelemetry spans: one for each signature and each token request, under the span that is
 * active where it is asked for.
 */
import { type TracingChannelSubscribers, tracingChannel } from "node:diagnostics_channel";
import { type Attributes, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { SignatureTrace, TokenTrace } from "hardproof";

type Trace = SignatureTrace | TokenTrace;

/**
 * @param tracer - by default the one of the global provider
 * @returns a function that stops it
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

/** The same object comes with the start and the end of one operation. */
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

/** Every field is fit to be shown, but the error: its code is in `outcome`, and its message belongs into the log. */
function attributesOf({ error: _, ...fields }: Trace): Attributes {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [`hardproof.${field}`, value]));
}
