/** An error as AWS KMS answers it: `__type` and `message`, and the HTTP status that its API reference gives. */

const SERVER_SIDE: Readonly<Record<string, number>> = {
  KMSInternalException: 500,
  KeyUnavailableException: 500,
  DependencyTimeoutException: 503,
};

export class KmsFailure extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }

  get status(): number {
    return SERVER_SIDE[this.type] ?? 400;
  }
}
