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

/**
 * @param now - The time of the service.
 * @throws {AwsKmsError} The error of the service if the header is missing, incomplete, or for another region, service
 *   or time.
 */
export function checkSigV4(headers: IncomingHttpHeaders, region: string, now: Date): Caller {
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
  checkTime(String(headers["x-amz-date"]), now);
  return { accessKeyId, sessionToken: typeof token === "string" ? token : undefined };
}

/** Milliseconds: how far the time of a request may be from that of the service (IAM User Guide, "Elements of a request"). */
const MAX_SKEW = 300_000;

function checkTime(amzDate: string, now: Date): void {
  const time = Date.parse(amzDate.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (Math.abs(time - now.getTime()) <= MAX_SKEW) return;
  const isLate = time < now.getTime();
  const problem = isLate ? "Signature expired" : "Signature not yet current";
  const relation = isLate ? "is now earlier than" : "is still later than";
  const limit = amz(new Date(now.getTime() + (isLate ? -MAX_SKEW : MAX_SKEW)));
  const sum = `${amz(now)} ${isLate ? "-" : "+"} 5 min.`;
  throw new AwsKmsError("InvalidSignatureException", `${problem}: ${amzDate} ${relation} ${limit} (${sum})`);
}

function amz(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d+/g, "");
}
