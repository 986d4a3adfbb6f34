/** Checks a request's AWS Signature Version 4 header, short of computing the signature: the SDK does that, not we. */
import type { IncomingHttpHeaders } from "node:http";
import { KmsFailure } from "./aws-kms-failure.js";

export interface Caller {
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
}

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const MUST_BE_SIGNED = ["host", "x-amz-date", "x-amz-target"];

/** @throws {KmsFailure} as the service does for a header that is absent, incomplete, or for another region or service */
export function checkSigV4(headers: IncomingHttpHeaders, region: string): Caller {
  const { authorization } = headers;
  if (authorization === undefined)
    throw new KmsFailure("MissingAuthenticationTokenException", "Missing Authentication Token");
  const [, accessKeyId = "", date, scope, service, signed = ""] = HEADER.exec(authorization) ?? [];
  const signedHeaders = signed.split(";");
  if (accessKeyId === "" || !MUST_BE_SIGNED.every((name) => signedHeaders.includes(name)))
    throw new KmsFailure("IncompleteSignatureException", "Authorization header is not complete.");
  const token = headers["x-amz-security-token"];
  if (scope !== region || service !== "kms" || !String(headers["x-amz-date"]).startsWith(date ?? "-"))
    // The real service repeats the request, session token and all, for its author to compare.
    throw new KmsFailure(
      "InvalidSignatureException",
      `Credential should be scoped to a valid region, not '${scope}'. The Canonical String for this request should have been 'POST / x-amz-security-token:${token}'`,
    );
  return { accessKeyId, sessionToken: typeof token === "string" ? token : undefined };
}
