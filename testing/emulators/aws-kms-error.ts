/** An AWS KMS error response: `__type` and `message`, with the HTTP status from the API reference. */

const STATUS: Readonly<Record<string, number>> = {
  DryRunOperationException: 412,
  KMSInternalException: 500,
  KeyUnavailableException: 500,
  DependencyTimeoutException: 503,
};

/** An error that the emulator sends to its client. */
export class AwsKmsError extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }

  get status(): number {
    return STATUS[this.type] ?? 400;
  }
}
