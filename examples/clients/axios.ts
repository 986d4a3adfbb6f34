/**
 * DPoP for axios 1 with its `http` adapter.
 *
 * ```ts
 * const api = axios.create({ adapter: dpopAdapter({ prover, token }) });
 * const { data } = await api.get("https://api.example.com/accounts");
 * ```
 *
 * With axios's `fetch` adapter this isn't needed: `axios.create({ adapter: "fetch", env: { fetch: dpopFetch(…) } })`.
 *
 * A body that is a stream isn't sent again: the call then rejects with the challenge (401), and the next call has the
 * nonce. Redirects aren't followed, since axios would send the proof for another URL.
 */
import type { Readable } from "node:stream";
import axios, { AxiosError, type AxiosResponse, type InternalAxiosRequestConfig } from "axios";
import { type ProofSessionOptions, proofSession, type Token, type TokenSource } from "hardproof";

type Adapter = (config: InternalAxiosRequestConfig) => Promise<AxiosResponse>;

/** Returns the adapter for `axios.create`. */
export function dpopAdapter(options: ProofSessionOptions & { token: string | Token | TokenSource }): Adapter {
  const { token, ...sessionOptions } = options;
  const session = proofSession(sessionOptions);
  const send = axios.getAdapter("http");
  return async (config) => {
    const { method = "get", data } = config;
    // axios has the method in lower case, and sends it in upper case.
    const attempt = session.request({ method: method.toUpperCase(), url: axios.getUri(config), token });
    for (;;) {
      config.headers.set(await attempt.headers());
      const sent = send({ ...config, maxRedirects: 0 });
      const response = await sent.catch(responseOf);
      if (!(await attempt.canRetry(response)) || isStream(data)) return sent;
      if (isStream(response.data)) response.data.destroy(); // otherwise it keeps the connection
    }
  };
}

/** By default, axios rejects for a status other than 2xx, with the response in the error. */
function responseOf(error: unknown): AxiosResponse {
  if (error instanceof AxiosError && error.response) return error.response;
  throw error;
}

function isStream(data: unknown): data is Readable {
  return typeof data === "object" && data !== null && "pipe" in data;
}
