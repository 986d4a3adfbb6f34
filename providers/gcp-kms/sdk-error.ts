/** Reads the errors of the SDK: the gRPC status, the words, and whether they are about the credentials. */

/** An error of the SDK. */
export interface SdkError {
  /** The gRPC status or, if the credentials failed, an HTTP status. -1 if the error has neither. */
  readonly status: number;
  /** What the service or a library reported. It may contain secrets. */
  readonly words: string;
  /** Whether there was no usable access token, so that nothing was sent to Cloud KMS. */
  readonly isAboutCredentials: boolean;
  /** Whether the SDK has repeated the request several times. */
  readonly wasRetried: boolean;
  /** The `Date` header of the response, if there was one. */
  readonly date: string | undefined;
}

const UNAVAILABLE = 14;
const FROM_AUTH_LIBRARY = /^Getting metadata from plugin failed with error: /;
/** Over REST, the errors of the auth library don't have a prefix. */
const CREDENTIAL_WORDS =
  /^Could not (?:load the default credentials|refresh access token)|credential file specified by|DECODER routines/;

/**
 * Parses an error of the SDK. If the SDK's retries are used up, its status is DEADLINE_EXCEEDED, and the actual status is
 * only in the message.
 */
export function parseSdkError(error: unknown): SdkError {
  const message = error instanceof Error ? error.message : String(error);
  const retried = /retrying error (?:\w*Error: )?(?:(\d+) )?(.*?) before any response was received/s.exec(message);
  const status = retried ? Number(retried[1] ?? UNAVAILABLE) : statusOf(error);
  const words = (retried?.[2] ?? message).replace(/^(?:\d+ )?(?:undefined|[A-Z_]{5,}): /, "");
  return {
    status,
    words: words.replace(FROM_AUTH_LIBRARY, ""),
    isAboutCredentials: FROM_AUTH_LIBRARY.test(words) || CREDENTIAL_WORDS.test(words),
    wasRetried: retried !== null,
    date: dateOf(error),
  };
}

function statusOf(error: unknown): number {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : -1;
}

/** The response's headers are in `metadata`, an object of gRPC. */
function dateOf(error: unknown): string | undefined {
  const { metadata } = Object(error);
  const [date] = typeof metadata?.get === "function" ? metadata.get("date") : [];
  return typeof date === "string" ? date : undefined;
}
