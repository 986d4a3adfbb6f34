/** Checks the AWS Signature Version 4 header of a request, except for the signature itself, which is the SDK's work. */
import type { IncomingHttpHeaders } from "node:http";
import { AwsKmsError } from "./aws-kms-error.js";

/** The credentials in the Authorization header of a request. */
export interface Caller {
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
}

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const REQUIRED_SIGNED_HEADERS = ["host", "x-amz-date", "x-amz-target"];

/** @throws {AwsKmsError} The error of the service if the header is missing, incomplete, or for another region or service. */
export function checkSigV4(headers: IncomingHttpHeaders, region: string): Caller {
  const { authorization } = headers;
  if (authorization === undefined)
    throw new AwsKmsError("MissingAuthenticationTokenException", "Missing Authentication Token");
  const [, accessKeyId = "", date, scope, service, signedList = ""] = HEADER.exec(authorization) ?? [];
  const signedHeaders = signedList.split(";");
  if (accessKeyId === "" || !REQUIRED_SIGNED_HEADERS.every((name) => signedHeaders.includes(name)))
    throw new AwsKmsError("IncompleteSignatureException", "Authorization header is not complete.");
  const token = headers["x-amz-security-token"];
  if (scope !== region || service !== "kms" || !String(headers["x-amz-date"]).startsWith(date ?? "-"))
    // The real service repeats the canonical request, including the session token.
    throw new AwsKmsError(
      "InvalidSignatureException",
      `Credential should be scoped to a valid region, not '${scope}'. The Canonical String for this request should have been 'POST / x-amz-security-token:${token}'`,
    );
  return { accessKeyId, sessionToken: typeof token === "string" ? token : undefined };
}
