/** An error response of Key Vault: `KeyVaultError` of the API definition (Azure/azure-rest-api-specs, keyvault/data-plane). */

/** What an error response contains. */
export interface ErrorResponse {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** `innererror.code`, which distinguishes the reasons of a `Forbidden`. */
  readonly inner?: string;
  /** Seconds. The header `Retry-After`. */
  readonly retryAfter?: number;
}

/** An error that the emulator sends to its client. */
export class AzureKvError extends Error {
  readonly response: ErrorResponse;

  constructor(response: ErrorResponse) {
    super(response.message);
    this.response = response;
  }
}

/** Returns the error of a request that the service doesn't accept. */
export function badParameter(message: string): AzureKvError {
  return new AzureKvError({ status: 400, code: "BadParameter", message });
}

/** Returns the error of a request that the state or the permissions of the key forbid. */
export function forbidden(inner: string, message: string): AzureKvError {
  return new AzureKvError({ status: 403, code: "Forbidden", inner, message });
}

/** Returns the body of an error response. */
export function errorBody({ code, message, inner }: ErrorResponse): object {
  return { error: { code, message, ...(inner !== undefined && { innererror: { code: inner } }) } };
}
