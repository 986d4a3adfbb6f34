/** The requests of a client, as a scenario sees them. */

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
