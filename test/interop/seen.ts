/** What a scenario sees: the requests of a client, and the refusals of a server. */

/** A request, and the status of its response. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  /** The body as text. */
  readonly body: string;
  readonly status: number;
}

/** A `fetch` that records its requests. */
export function recordedFetch(): { fetch: typeof fetch; requests: SeenRequest[]; statuses(): string } {
  const requests: SeenRequest[] = [];
  return {
    requests,
    /** Returns the statuses since the last call. */
    statuses: () =>
      requests
        .splice(0)
        .map(({ status }) => status)
        .join(", "),
    async fetch(input, init) {
      const request = new Request(input, init);
      const { method, url, headers } = request;
      const body = await request.clone().text();
      const response = await fetch(request);
      requests.push({ method, url, headers, body, status: response.status });
      return response;
    },
  };
}

/**
 * Returns why the work was refused, in one line.
 *
 * @throws {Error} If it wasn't refused.
 */
export async function refusal(work: () => Promise<unknown>): Promise<string> {
  const outcome = await work().then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (outcome === undefined) throw new Error("It wasn't refused.");
  return outcome.replaceAll(/\s+/g, " ");
}

/** Returns the status of a response, its challenge, and the first part of its body, in one line. */
export async function responseLine(response: Response): Promise<string> {
  const challenge = response.headers.get("www-authenticate");
  const body = (await response.text()).replaceAll(/\s+/g, " ").slice(0, 200);
  return [response.status, challenge, body].filter(Boolean).join(" ");
}
