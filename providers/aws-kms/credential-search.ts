/** Why the SDK's search for credentials failed: what each source reported, which the SDK only writes to its logger. */
import type { KMSClientConfig } from "@aws-sdk/client-kms";
import { firstSentence } from "./error-text.js";

type Logger = NonNullable<KMSClientConfig["logger"]>;

/** Sources and their retries. Older lines are dropped. */
const MAX_LINES = 30;
const REPORT = /^@smithy\/property-provider -> /;
/** The search ends with an error. */
const FAILED = /^@smithy\/property-provider \(!\) /;
/** What a source reports that isn't configured. */
const NOT_CONFIGURED =
  /^(Not found in |Unable to find environment variable|Skipping |EC2 Instance Metadata Service access disabled|AWS_PROFILE is set|Web identity configuration not|AWS_EC2_METADATA_V1_DISABLED not|Profile \S+ did not contain credential_process|Could not resolve credentials using profile: \[default\]|Profile default could not be found)/;
/** Servers that are asked last. The SDK doesn't report each of their failures. */
const SERVERS: readonly (readonly [asked: RegExp, failure: string])[] = [
  [/^@aws-sdk\/credential-provider-http - fromHttp/, "The credential server of the container didn't return any."],
  [/^AWS SDK Instance Metadata/, "The EC2 instance metadata service didn't return any."],
];
/** A source that is a server doesn't respond, or fails. */
const UNREACHABLE =
  /^(?:Timeout|Aggregate)Error|^Error: .*\b(?:ECONN\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE)\b/;

/** What the sources reported in one search. */
export interface SearchReport {
  /** One line of each source that is configured and failed. */
  readonly sources: readonly string[];
  /** Whether the same search may succeed later: a source that is a server couldn't be reached. */
  readonly retryable: boolean;
}

/** A logger for the SDK's client that keeps only what the sources of credentials report. */
export class CredentialSearch implements Logger {
  #lines: string[] = [];
  #report: SearchReport = { sources: [], retryable: false };

  debug(...content: unknown[]): void {
    const line = content.join(" ");
    if (REPORT.test(line) || serverAskedBy(line))
      this.#lines = [...this.#lines, line.replace(REPORT, "")].slice(-MAX_LINES);
    if (FAILED.test(line)) this.#report = reportOf(this.#lines.splice(0));
  }

  /** What the last search reported that failed. Concurrent requests share one search. */
  get report(): SearchReport {
    return this.#report;
  }

  /** Without a logger, the SDK prints its warnings about credentials to the console. */
  warn(...content: unknown[]): void {
    process.emitWarning(content.filter((each) => typeof each === "string").join(" "), { code: "HARDPROOF_AWS_SDK" });
  }

  trace(): void {}
  info(): void {}
  error(): void {}
}

function reportOf(lines: readonly string[]): SearchReport {
  const failed = lines.filter((line) => !NOT_CONFIGURED.test(line) && !serverAskedBy(line));
  const silent = failed.length === 0 ? lines.flatMap((line) => serverAskedBy(line) ?? []) : [];
  const sources = [...failed.map((line) => firstSentence(line, false)), ...silent].filter((each) => each !== "");
  return {
    sources: [...new Set(sources)],
    retryable: silent.length > 0 || failed.some((line) => UNREACHABLE.test(line)),
  };
}

/** Returns what to say if the server that this line is about doesn't return credentials. */
function serverAskedBy(line: string): string | undefined {
  return SERVERS.find(([asked]) => asked.test(line))?.[1];
}
