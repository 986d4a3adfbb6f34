/**
 * DPoP for got 14.
 *
 * ```ts
 * const api = got.extend(dpopForGot({ prover, token }));
 * const accounts = await api("https://api.example.com/accounts").json();
 * ```
 *
 * A body that is a stream or a `FormData` isn't sent again: the call then rejects with the challenge (401), and the next call has the
 * nonce. Hooks don't run for the responses of `got.stream`, so it doesn't cache nonces either. Redirects aren't
 * followed, since got would send the proof for another URL.
 */
import type { ExtendOptions } from "got";
import { type ProofAttempt, type ProofSessionOptions, proofSession, type Token, type TokenSource } from "hardproof";

interface DPoPContext {
  dpopAttempt?: ProofAttempt;
}

/** Returns the options for `got.extend`. */
export function dpopForGot(options: ProofSessionOptions & { token: string | Token | TokenSource }): ExtendOptions {
  const { token, ...sessionOptions } = options;
  const session = proofSession(sessionOptions);
  return {
    followRedirect: false,
    hooks: {
      beforeRequest: [
        async ({ context, method, url, headers }) => {
          const state: DPoPContext = context;
          if (url === undefined) throw new TypeError("The request has no URL.");
          state.dpopAttempt ??= session.request({ method, url, token });
          Object.assign(headers, await state.dpopAttempt.headers());
        },
      ],
      afterResponse: [
        async (response, retry) => {
          const { context, body } = response.request.options;
          const { dpopAttempt }: DPoPContext = context;
          const { statusCode: status, headers } = response;
          if (!(await dpopAttempt?.canRetry({ status, headers })) || isStream(body)) return response;
          return retry({ preserveHooks: true }); // so that this hook also sees the next response
        },
      ],
    },
  };
}

function isStream(body: unknown): boolean {
  return typeof body === "object" && body !== null && !ArrayBuffer.isView(body);
}
