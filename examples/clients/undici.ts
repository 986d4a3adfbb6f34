/**
 * DPoP for undici's `request`, `stream` and `pipeline`, as an interceptor.
 *
 * ```ts
 * const dispatcher = new Agent().compose(dpopInterceptor({ prover, token }));
 * const { body } = await request("https://api.example.com/accounts", { dispatcher });
 * ```
 *
 * A body that is a stream isn't sent again: the caller gets the challenge (401), and the next request has the nonce.
 * Compose undici's interceptor for redirects after this one, so that each request gets its own proof. A redirect to
 * another origin is an error. Composing other interceptors between the two can hide such a redirect: set
 * `allowedOrigins` then. For undici's `fetch`, use `dpopFetch({ prover, token, fetch })` instead.
 */
import {
  DPoPError,
  type ProofAttempt,
  type ProofHeaders,
  type ProofSessionOptions,
  proofSession,
  type Token,
  type TokenSource,
} from "hardproof";
import type { Dispatcher } from "undici";

type Controller = Dispatcher.DispatchController;
type Handler = Dispatcher.DispatchHandler;
type ResponseHeaders = Parameters<NonNullable<Handler["onResponseStart"]>>[2];

/** Returns the interceptor for `dispatcher.compose`. */
export function dpopInterceptor(
  options: ProofSessionOptions & { token: string | Token | TokenSource },
): Dispatcher.DispatcherComposeInterceptor {
  const { token, ...sessionOptions } = options;
  const session = proofSession(sessionOptions);
  const origins = new WeakMap<Handler, string>(); // of the first request of each call
  return (dispatch) => (request, handler) => {
    const origin = originOf(request);
    // Before the request starts, there isn't a controller, and undici's own handlers don't need one.
    const fail = (error: Error) => handler.onResponseError?.(null as unknown as Controller, error);
    if ((origins.get(handler) ?? origin) !== origin) {
      fail(new DPoPError("redirect", `The request was redirected to ${origin}. Nothing was sent there.`));
      return true;
    }
    origins.set(handler, origin);
    const attempt = session.request({ method: request.method, url: origin + request.path, token });
    const send = () => {
      attempt
        .headers()
        .then((proof) => {
          const headers = withProof(request.headers, proof);
          dispatch(
            { ...request, headers },
            new RetryHandler(handler, attempt, isReplayable(request.body) ? send : undefined),
          );
        })
        .catch(fail);
    };
    send();
    return true;
  };
}

/** Passes the response on, except a 401 or 400 that another attempt can answer. */
class RetryHandler implements Handler {
  readonly #handler: Handler;
  readonly #attempt: ProofAttempt;
  readonly #resend: (() => void) | undefined;
  /** The events of a 401 or 400, until its end. */
  #held: (() => void)[] | undefined;
  #canRetry: Promise<boolean> = Promise.resolve(false);

  constructor(handler: Handler, attempt: ProofAttempt, resend: (() => void) | undefined) {
    this.#handler = handler;
    this.#attempt = attempt;
    this.#resend = resend;
  }

  onRequestStart(controller: Controller, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onRequestUpgrade(...args: Parameters<NonNullable<Handler["onRequestUpgrade"]>>): void {
    this.#handler.onRequestUpgrade?.(...args);
  }

  onResponseStart(controller: Controller, status: number, headers: ResponseHeaders, message?: string): void {
    if (status >= 200) this.#canRetry = this.#attempt.canRetry({ status, headers });
    this.#canRetry.catch(() => undefined); // handled at the end of the response
    if ((status === 401 || status === 400) && this.#resend) this.#held = [];
    this.#pass(() => this.#handler.onResponseStart?.(controller, status, headers, message));
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#pass(() => this.#handler.onResponseData?.(controller, chunk));
  }

  onResponseEnd(controller: Controller, trailers: ResponseHeaders): void {
    const held = this.#held;
    const end = () => this.#handler.onResponseEnd?.(controller, trailers);
    if (held === undefined) {
      end();
      return;
    }
    this.#canRetry.then(
      (canRetry) => {
        if (canRetry) this.#resend?.();
        else for (const event of [...held, end]) event();
      },
      (error: Error) => this.#handler.onResponseError?.(controller, error),
    );
  }

  onResponseError(controller: Controller, error: Error): void {
    this.#handler.onResponseError?.(controller, error);
  }

  #pass(event: () => void): void {
    if (this.#held) this.#held.push(event);
    else event();
  }
}

function originOf({ origin }: Dispatcher.DispatchOptions): string {
  if (origin !== undefined) return new URL(origin).origin;
  throw new TypeError("Use an Agent, or set the request's origin: a Client or Pool doesn't tell its origin.");
}

function isReplayable(body: Dispatcher.DispatchOptions["body"]): boolean {
  return body == null || typeof body === "string" || ArrayBuffer.isView(body) || body instanceof FormData;
}

/** undici accepts headers as an object, as pairs, and as a flat list. Replaces those of the caller. */
function withProof(headers: Dispatcher.DispatchOptions["headers"], proof: ProofHeaders): string[] {
  const list = headers ?? [];
  const pairs = Symbol.iterator in list ? [...list] : Object.entries(list);
  const flat = pairs.flatMap((pair) => {
    if (typeof pair === "string") return pair;
    const [name, value] = pair;
    return [value ?? []].flat().flatMap((line) => [name, line]);
  });
  const others = flat.filter((_, index) => !Object.hasOwn(proof, String(flat[index - (index % 2)]).toLowerCase()));
  return [...others, ...Object.entries(proof).flat()];
}
