/** The cookies of a browser that visits one server. */
export interface Cookies {
  /** The value of the request header `Cookie`. */
  header(): string;
  get(name: string): string | undefined;
  /** @param lines - The values of the response header `Set-Cookie`. */
  store(lines: readonly string[]): void;
}

/** Creates a browser's cookies. */
export function newCookies(): Cookies {
  const values = new Map<string, string>();
  return {
    header: () => [...values].map((pair) => pair.join("=")).join("; "),
    get: (name) => values.get(name),
    store(lines) {
      for (const line of lines) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        values.set(name, value);
      }
    },
  };
}
