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
  /^(Not found in |Unable to find environment variable|Skipping |AWS_PROFILE is set|Web identity configuration not|AWS_EC2_METADATA_V1_DISABLED not|Profile \S+ did not contain credential_process|Could not resolve credentials using profile: \[default\]|Profile default could not be found)/;
const METADATA_TRIED = /^AWS SDK Instance Metadata/;
const NO_METADATA = "The EC2 instance metadata service didn't return any.";
const UNREACHABLE = /\b(ECONN\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE)\b|time[d ]?-?out/i;

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
    if (REPORT.test(line) || METADATA_TRIED.test(line))
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
  const failed = lines.filter((line) => !NOT_CONFIGURED.test(line) && !METADATA_TRIED.test(line));
  // The metadata service is the last source. It is tried on every host, whether or not that has one.
  const metadata = failed.length === 0 && lines.some((line) => METADATA_TRIED.test(line));
  const sources = metadata ? [NO_METADATA] : failed.map((line) => firstSentence(line, false));
  return {
    sources: [...new Set(sources)].filter(Boolean),
    retryable: metadata || failed.some((line) => UNREACHABLE.test(line)),
  };
}
