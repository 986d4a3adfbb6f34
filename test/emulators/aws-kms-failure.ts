/** An error as AWS KMS answers it: `__type` and `message`, and the HTTP status that its API reference gives. */

const SERVER_SIDE = ["KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"];

export class KmsFailure extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }

  get status(): number {
    return SERVER_SIDE.includes(this.type) ? 500 : 400;
  }
}
