/** The REST API of an instance of the OpenID Foundation's conformance suite (`/swagger-ui/index.html` of each instance). */
import { setTimeout as sleep } from "node:timers/promises";

/** The values of a plan's or a module's variants, by the variants' names. */
export type Variant = Readonly<Record<string, string>>;

/** A module of a plan that was created. */
export interface Module {
  readonly testModule: string;
  readonly variant: Variant | null;
}

/** How a module ended. */
export const RESULTS = ["PASSED", "WARNING", "REVIEW", "SKIPPED", "FAILED", "UNKNOWN"] as const;
/** `UNKNOWN`: the module didn't end. */
export type Result = (typeof RESULTS)[number];

/** The state of a module. `WAITING`: for requests of the client. */
interface ModuleState {
  readonly status: "CREATED" | "CONFIGURED" | "RUNNING" | "WAITING" | "INTERRUPTED" | "FINISHED";
  readonly result?: Result;
}

interface LogEntry {
  readonly src: string;
  readonly msg: string;
  readonly result?: string;
}

const POLL_INTERVAL = 200;

/** An instance of the suite. */
export class SuiteApi {
  readonly #baseUrl: string;

  /** @param baseUrl - As the suite's option `fintechlabs.base_url`. */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl.replace(/\/?$/, "/");
  }

  /** Returns the version of the suite. */
  async version(): Promise<string> {
    const { version } = await this.#send<{ version: string }>("GET", "api/server");
    return version;
  }

  /** Creates a plan, and returns its ID and modules. */
  async createPlan(
    planName: string,
    variant: Variant,
    configuration: object,
  ): Promise<{ id: string; modules: Module[] }> {
    const query = new URLSearchParams({ planName, variant: JSON.stringify(variant) });
    return this.#send("POST", `api/plan?${query}`, configuration);
  }

  /** Starts a module, and returns its ID when it waits for the client. */
  async startModule(plan: string, { testModule: test, variant }: Module): Promise<string> {
    const query = new URLSearchParams({ test, plan, variant: JSON.stringify(variant ?? {}) });
    const { id } = await this.#send<{ id: string }>("POST", `api/runner?${query}`);
    await this.#until(id, 60_000, ({ status }) => ["WAITING", "FINISHED", "INTERRUPTED"].includes(status));
    return id;
  }

  /** Returns the URLs that the module tells a tester, by name. */
  async exposed(id: string): Promise<Readonly<Record<string, string>>> {
    const { exposed } = await this.#send<{ exposed?: Record<string, string> }>("GET", `api/runner/${id}`);
    return exposed ?? {};
  }

  /**
   * Waits until a module has ended. One that doesn't is stopped.
   *
   * @param timeout - Milliseconds.
   */
  async resultOf(id: string, timeout: number): Promise<Result> {
    const isEnd = ({ status }: ModuleState) => status === "FINISHED" || status === "INTERRUPTED";
    const state = await this.#until(id, timeout, isEnd);
    if (isEnd(state)) return state.result ?? "UNKNOWN";
    await this.#request("DELETE", `api/runner/${id}`).catch(() => undefined); // It may be ending at this moment.
    return "UNKNOWN";
  }

  /** Returns the entries of a module's log that explain a result other than `PASSED`. */
  async reasons(id: string): Promise<string[]> {
    const entries = await this.#send<LogEntry[]>("GET", `api/log/${id}`);
    const isReason = ({ result }: LogEntry) => ["FAILURE", "WARNING", "REVIEW"].includes(result ?? "");
    return entries.filter(isReason).map(({ result, src, msg }) => `${result} ${src}: ${msg}`);
  }

  async #until(id: string, timeout: number, isReached: (state: ModuleState) => boolean): Promise<ModuleState> {
    const deadline = performance.now() + timeout;
    for (;;) {
      const state = await this.#send<ModuleState>("GET", `api/info/${id}`);
      if (isReached(state) || performance.now() > deadline) return state;
      await sleep(POLL_INTERVAL);
    }
  }

  async #send<T>(method: string, path: string, body?: object): Promise<T> {
    return JSON.parse(await this.#request(method, path, body));
  }

  /** An instance that isn't in development mode needs an API token of a user, in `CONFORMANCE_TOKEN`. */
  async #request(method: string, path: string, body?: object): Promise<string> {
    const { CONFORMANCE_TOKEN: token } = process.env;
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const url = new URL(path, this.#baseUrl);
    const response = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${url.pathname}: status ${response.status}: ${text.slice(0, 300)}`);
    return text;
  }
}
