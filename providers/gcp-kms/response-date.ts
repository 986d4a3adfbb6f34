/** The `Date` header of a gRPC response, which the SDK doesn't return. */
import type { Gax } from "./gax.js";

type Interceptor = import("google-gax").grpc.Interceptor;

/**
 * Returns options for one call of the SDK that report the header. Over REST, they have no effect.
 *
 * @param onDate - Called with the header before the call returns.
 */
export function dateListener({ grpc }: Gax, onDate: (date: string) => void): { otherArgs: object } {
  const interceptor: Interceptor = (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) =>
        next(metadata, {
          ...listener,
          onReceiveMetadata: (received, pass) => {
            const [date] = received.get("date");
            if (typeof date === "string") onDate(date);
            pass(received);
          },
        }),
    });
  return { otherArgs: { options: { interceptors: [interceptor] } } };
}
